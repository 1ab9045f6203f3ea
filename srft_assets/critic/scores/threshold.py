"""What makes a critic good enough, and whether it is."""

import fnmatch
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, PositiveInt


class Threshold(BaseModel):
    """`good_enough` in a critic's YAML."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    measure: Literal["f1", "f1_low", "kappa", "kappa_low"] = "f1_low"
    """`_low`: the lower end of the 95% interval."""
    at_least: float = Field(default=0.5, ge=-1, le=1)
    mask: Literal["mistake", "mistake+unnecessary"] = "mistake"
    """The keep/mask question that is asked."""
    min_labels: PositiveInt = 50
    """A set with fewer labelled and judged steps decides nothing."""
    sets: tuple[str, ...] = ("*",)
    """Shell patterns of gold sets."""
    severity: Literal["warn", "error"] = "warn"


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whether a critic is good enough, why, and the measure by gold set."""

    passed: bool
    note: str
    measured: dict[str, float]


def judge(scores: pl.DataFrame, threshold: Threshold) -> Judgement:
    """Every gold set that is large enough must reach the threshold.

    A set decides only where it holds something to mask. Passes, with a note that says so,
    where no set decides.
    """
    asked = scores.filter(question="mask", target=threshold.mask)
    rows = [row for row in asked.iter_rows(named=True) if _decides(row, threshold)]
    if not rows:
        return Judgement(
            True, f"no gold set with {threshold.min_labels} judged steps: nothing is known", {}
        )
    measured = {row["set"]: row[threshold.measure] or 0.0 for row in rows}
    bad = [name for name, value in measured.items() if value < threshold.at_least]
    told = ", ".join(f"{name} {value:.3f}" for name, value in measured.items())
    note = f"{threshold.measure} of {threshold.mask}: {told}; at least {threshold.at_least} wanted"
    return Judgement(not bad, note, measured)


def _decides(row: dict[str, Any], threshold: Threshold) -> bool:
    known = any(fnmatch.fnmatchcase(row["set"], pattern) for pattern in threshold.sets)
    return known and row["steps"] >= threshold.min_labels and row["support"] > 0
