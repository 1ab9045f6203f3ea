"""Verdicts: one label and one reason for every step of a run."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import polars as pl


class Label(StrEnum):
    """Labels of arXiv 2605.10674; `unlabeled` marks steps whose critic gave no valid answer."""

    GOOD = "good"
    UNNECESSARY = "unnecessary"
    MISTAKE = "mistake"
    RECOVER = "recover"
    UNLABELED = "unlabeled"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement of one step.

    Attributes:
        step_index: the step.
        label: the judgement.
        reason: why, in the critic's words.
        rule: what decided it: a rule, or the critic's model.
        call: ledger key of the call that answered; empty where none did.
    """

    step_index: int
    label: Label
    reason: str
    rule: str = ""
    call: str = ""


STEP_VERDICTS = pl.Schema(
    {
        "trajectory_id": pl.String,
        "step_index": pl.Int32,
        "label": pl.String,
        "reason": pl.String,
        "rule": pl.String,
        "call": pl.String,
        "version": pl.String,
        "tokens_cut": pl.Int32,
    }
)
"""The asset `step_verdicts/<critic>`. `version` is that of the critic: prompt, settings, code.

`tokens_cut` counts what the critic was not shown of the step, because it was too long.
"""

VOLATILE = ("reason", "rule", "call", "version", "tokens_cut")
"""Columns that nothing downstream reads: the same labels stop the wave."""

VERSIONS = "verdict_versions"
"""Folder of the warehouse in which earlier verdicts stay."""

CRITIC_PROMPTS = pl.Schema(
    {
        "version": pl.String,
        "model": pl.String,
        "prompt": pl.String,
        "settings": pl.String,
        "sees_gold_patch": pl.Boolean,
    }
)
"""The asset `critic_prompt/<critic>`: one row. `settings` is JSON."""


def verdict_row(
    trajectory_id: str, verdict: Verdict, version: str, tokens_cut: int = 0
) -> dict[str, Any]:
    """A row of `STEP_VERDICTS`."""
    return {
        "trajectory_id": trajectory_id,
        "step_index": verdict.step_index,
        "label": str(verdict.label),
        "reason": verdict.reason,
        "rule": verdict.rule,
        "call": verdict.call or None,
        "version": version,
        "tokens_cut": tokens_cut,
    }


def verdict_figures(frame: pl.DataFrame) -> dict[str, float]:
    """Runs, labelled steps, and the share of each label among the rows."""
    total = max(frame.height, 1)
    counts = dict(frame.group_by("label").len().iter_rows())
    return {
        "runs": frame["trajectory_id"].n_unique(),
        "labelled": frame.height - counts.get(str(Label.UNLABELED), 0),
        **{f"share_{label}": round(counts.get(str(label), 0) / total, 4) for label in Label},
    }
