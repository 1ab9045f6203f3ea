"""Verdicts: one label and one reason for every step of a run."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import polars as pl

from srft_assets.outcomes.model import TestOutcome
from srft_assets.trajectories.model import Trajectory


class Label(StrEnum):
    """Labels of arXiv 2605.10674; `unlabeled` marks steps whose critic gave no valid answer."""

    GOOD = "good"
    UNNECESSARY = "unnecessary"
    MISTAKE = "mistake"
    RECOVER = "recover"
    UNLABELED = "unlabeled"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement of one step. `rule` names what decided it (a rule, or the critic's model)."""

    step_index: int
    label: Label
    reason: str
    rule: str = ""


class Critic(Protocol):
    """A run in, one verdict for every step out, in step order."""

    @property
    def name(self) -> str:
        """Last part of the asset key `step_verdicts/<name>`."""

    def judge(self, run: Trajectory, outcome: TestOutcome) -> list[Verdict]:
        """Label every step of the run exactly once."""


STEP_VERDICTS = pl.Schema(
    {
        "trajectory_id": pl.String,
        "step_index": pl.Int32,
        "label": pl.String,
        "reason": pl.String,
        "rule": pl.String,
    }
)
