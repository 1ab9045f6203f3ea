"""How good a critic is: against gold labels (`critic_scores/<critic>`), and beside another."""

import fnmatch
from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

from srft_assets.critic.spec import Threshold
from srft_assets.errors import UsageError
from srft_assets.home import Home
from srft_assets.warehouse.partitions import ONLY
from srft_assets.warehouse.stage import Made, Stage, Upstream, Work

VERSION = 1
"""Raised when the output changes; see tools/versions.py."""

CRITIC_SCORES = pl.Schema(
    {
        "set": pl.String,
        "question": pl.String,
        "target": pl.String,
        "steps": pl.Int32,
        "runs": pl.Int32,
        "support": pl.Int32,
        "predicted": pl.Int32,
        "hits": pl.Int32,
        "unlabeled": pl.Int32,
        "missing": pl.Int32,
        "ties": pl.Int32,
        "f1": pl.Float64,
        "f1_low": pl.Float64,
        "f1_high": pl.Float64,
        "kappa": pl.Float64,
        "kappa_low": pl.Float64,
        "kappa_high": pl.Float64,
        "annotators": pl.Int32,
        "annotator_kappa": pl.Float64,
    }
)
"""One row a gold set and target. Precision and recall follow from `hits`, `predicted` and
`support`: the view `critic_scores` states them with their Wilson intervals.

`question` is `label` (one label against the rest), `mask` (what an arm masks against what it
keeps) or `all` (the four labels at once: `hits` are steps with the same label, `f1` is the mean
over the labels). `target` is the label, the labels masked (joined by `+`), or `all`.
"""

RESAMPLES = 1_000
SEED = 0
DESCRIPTION = """
How well the verdicts of `{name}` agree with gold labels, by gold set: per label, and for what an
arm masks. F1 and Cohen's kappa bear 95% intervals of a bootstrap over runs; the view
`critic_scores` adds precision and recall. A step left `unlabeled` is a miss; gold steps of runs
that the critic did not judge are `missing` and count for nothing.
"""


def critic_scores_stage(critic: str) -> Stage:
    verdicts = f"step_verdicts/{critic}"
    return Stage(
        key=f"critic_scores/{critic}",
        partitioned_by="none",
        upstream=(Upstream(verdicts, "all", optional=True), Upstream("gold_labels", "whole")),
        schema=CRITIC_SCORES,
        code={"version": VERSION},
        config={"resamples": RESAMPLES, "seed": SEED},
        make=lambda work: _make(work, verdicts),
        description=DESCRIPTION.format(name=critic).strip(),
        kinds=frozenset({"numpy", "parquet"}),
    )


def _make(work: Work, asset: str) -> Made:
    from srft_assets.warehouse.sql import counted_once  # a plan needs no database

    columns = ["trajectory_id", "step_index", "label"]
    verdicts = [
        work.read(asset, name).select(columns).with_columns(batch=pl.lit(name))
        for name in work.input_names(asset)
    ]
    if not verdicts:
        return Made(CRITIC_SCORES.to_frame())
    frame = scores(work.read("gold_labels", ONLY), counted_once(pl.concat(verdicts)))
    masks = frame.filter(pl.col("f1").is_not_null(), question="mask", target="mistake")
    figures = {
        f"{row['set']}: F1 of mistakes": round(row["f1"], 4) for row in masks.iter_rows(named=True)
    }
    return Made(frame, metadata=figures)


def scores(gold: pl.DataFrame, verdicts: pl.DataFrame) -> pl.DataFrame:
    """Rows of `CRITIC_SCORES`, one for each gold set and target, in order of the sets.

    `gold`: rows of `gold_labels`; `verdicts`: trajectory_id, step_index, label.
    """
    from srft_assets.critic.agreement import set_rows  # a plan needs no numpy

    rows = [
        {"set": name, **row}
        for name in sorted(gold["set"].unique())
        for row in set_rows(gold.filter(set=name), verdicts, RESAMPLES, SEED)
    ]
    return pl.DataFrame(rows, schema=CRITIC_SCORES, orient="row")


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
    asked = scores.filter(
        pl.col("steps") >= threshold.min_labels,
        pl.col("support") > 0,
        question="mask",
        target=threshold.mask,
    )
    measured = {
        row["set"]: row[threshold.measure] or 0.0
        for row in asked.iter_rows(named=True)
        if any(fnmatch.fnmatchcase(row["set"], pattern) for pattern in threshold.sets)
    }
    if not measured:
        return Judgement(
            True, f"no gold set with {threshold.min_labels} judged steps: nothing is known", {}
        )
    told = ", ".join(f"{name} {value:.3f}" for name, value in measured.items())
    note = f"{threshold.measure} of {threshold.mask}: {told}; at least {threshold.at_least} wanted"
    return Judgement(min(measured.values()) >= threshold.at_least, note, measured)


PREVIOUS = "previous"


@dataclass(frozen=True, slots=True)
class Version:
    """One version of one critic, as `critic_history` has it."""

    critic: str
    version: str

    def __str__(self) -> str:
        return f"{self.critic}@{self.version}"


def find_version(home: Home, stated: str) -> Version:
    """`NAME`: what it labels with now; `NAME@previous`: before that; `NAME@` and some digits.

    Raises UsageError, naming the versions there are, where none or several fit.
    """
    from srft_assets.warehouse.query import run_query

    critic, _, version = stated.partition("@")
    history = run_query(home, "critic_history").filter(critic=critic)
    if history.is_empty():
        raise UsageError(f"{critic} has labelled nothing yet: srft apply step_verdicts/{critic}")
    if not version:
        fits = history.filter("current").tail(1)
    elif version == PREVIOUS:
        fits = history.filter(~pl.col("current")).tail(1)
    else:
        fits = history.filter(pl.col("version").str.starts_with(version))
    if fits.height != 1:
        there = ", ".join(history["version"])
        what = "several versions fit" if fits.height else "no version fits"
        raise UsageError(f"{what} {stated!r}; {critic} has {there}")
    return Version(critic, fits["version"].item())


def label_changes(home: Home, a: Version, b: Version) -> pl.DataFrame:
    """Steps that both labelled, each otherwise: columns of the macro `verdict_changes`."""
    return _of_both(home, "FROM verdict_changes", a, b)


def shared_steps(home: Home, a: Version, b: Version) -> int:
    return int(_of_both(home, "SELECT count(*) FROM shared_verdicts", a, b).item())


def _of_both(home: Home, question: str, a: Version, b: Version) -> pl.DataFrame:
    from srft_assets.warehouse.query import run_query

    given: dict[str, Any] = {
        f"{field}_{side}": value
        for side, version in (("a", a), ("b", b))
        for field, value in asdict(version).items()
    }
    both = "($critic_a, $version_a, $critic_b, $version_b)"
    return run_query(home, question + both, given)
