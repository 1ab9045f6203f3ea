"""The asset `critic_scores/<critic>`: a critic's verdicts against every gold set."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import polars as pl

from srft_assets.critic.scores.figures import (
    Counts,
    Figures,
    against_rest,
    f1,
    interval,
    kappa,
    macro_f1,
    resampled,
)
from srft_assets.critic.scores.gold import (
    STEP,
    annotator_confusions,
    confusion_by_run,
    majority,
)
from srft_assets.critic.spec import LABELS
from srft_assets.warehouse.stage import Made, Stage, Upstream, Work
from srft_assets.warehouse.store import ONLY

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
ALL = "all"
MASKS = ("mistake", "mistake+unnecessary")
"""What arms mask: the paper's way, and the strict way."""


def scores(gold: pl.DataFrame, verdicts: pl.DataFrame) -> pl.DataFrame:
    """Rows of `CRITIC_SCORES`, one for each gold set and target, in order of the sets.

    `gold`: rows of `gold_labels`; `verdicts`: trajectory_id, step_index, label.
    """
    rows = [
        row
        for name in sorted(gold["set"].unique())
        for row in _set_rows(name, gold.filter(set=name), verdicts)
    ]
    return pl.DataFrame(rows, schema=CRITIC_SCORES, orient="row")


def _set_rows(name: str, labels: pl.DataFrame, verdicts: pl.DataFrame) -> Iterator[dict[str, Any]]:
    labels = labels.filter(pl.col("label").is_not_null())
    clear, ties = majority(labels)
    pairs = clear.rename({"label": "gold"}).join(verdicts, on=STEP, how="inner")
    by_run = confusion_by_run(pairs)
    drawn = resampled(by_run, RESAMPLES, SEED) if len(by_run) > 1 else None
    between = annotator_confusions(labels)
    total = by_run.sum(axis=0)
    common = {
        "set": name,
        "steps": pairs.height,
        "runs": len(by_run),
        "unlabeled": int(total[:, -1].sum()),
        "missing": clear.height - pairs.height,
        "ties": ties,
        "annotators": labels["annotator"].n_unique(),
    }
    for question, target in _targets():
        yield {
            **common,
            "question": question,
            "target": target,
            **_counts(total, target),
            **_with_interval("f1", _f1(target), total, drawn),
            **_with_interval("kappa", _kappa(target), total, drawn),
            "annotator_kappa": _mean_kappa(between, target),
        }


def _targets() -> Iterator[tuple[str, str]]:
    yield from (("label", str(label)) for label in LABELS)
    yield from (("mask", mask) for mask in MASKS)
    yield ALL, ALL


def _binary(confusion: Counts, target: str) -> Counts | None:
    """The target against the rest; None where all labels are asked for."""
    return None if target == ALL else against_rest(confusion, target.split("+"))


def _f1(target: str) -> Callable[[Counts], Figures]:
    def figure(confusion: Counts) -> Figures:
        binary = _binary(confusion, target)
        return macro_f1(confusion) if binary is None else f1(binary)

    return figure


def _kappa(target: str) -> Callable[[Counts], Figures]:
    def figure(confusion: Counts) -> Figures:
        binary = _binary(confusion, target)
        return kappa(confusion if binary is None else binary)

    return figure


def _counts(total: Counts, target: str) -> dict[str, int]:
    binary = _binary(total, target)
    if binary is None:
        labelled = total[:, : len(LABELS)]
        predicted, hits = int(labelled.sum()), int(np.trace(labelled))
        return {"support": int(total.sum()), "predicted": predicted, "hits": hits}
    return {
        "support": int(binary[0].sum()),
        "predicted": int(binary[:, 0].sum()),
        "hits": int(binary[0, 0]),
    }


def _with_interval(
    name: str, figure: Callable[[Counts], Figures], total: Counts, drawn: Counts | None
) -> dict[str, float | None]:
    """The figure and its ends; no interval where there is one run only."""
    value = _defined(figure(total))
    low, high = interval(figure(drawn)) if drawn is not None and value is not None else (None, None)
    return {name: value, f"{name}_low": low, f"{name}_high": high}


def _mean_kappa(between: Counts, target: str) -> float | None:
    """Kappa between annotators, pairs weighted by the steps both labelled."""
    each = _kappa(target)(between)
    steps = between.sum(axis=(1, 2))[~np.isnan(each)]
    return float(np.average(each[~np.isnan(each)], weights=steps)) if steps.sum() else None


def _defined(figure: Figures) -> float | None:
    return None if np.isnan(figure) else float(figure)


DESCRIPTION = """
How well the verdicts of `{name}` agree with gold labels, by gold set: per label, and for what an
arm masks. F1 and Cohen's kappa bear 95% intervals of a bootstrap over runs; the view
`critic_scores` adds precision and recall. A step left `unlabeled` is a miss; gold steps of runs
that the critic did not judge are `missing` and count for nothing.
"""


def critic_scores_stage(critic: str) -> Stage:
    """The stage of one critic; unpartitioned."""
    verdicts = f"step_verdicts/{critic}"
    return Stage(
        key=f"critic_scores/{critic}",
        partitioned_by="none",
        upstream=(Upstream(verdicts, "all"), Upstream("gold_labels", "whole")),
        schema=CRITIC_SCORES,
        code={"version": VERSION},
        config={"resamples": RESAMPLES, "seed": SEED},
        make=lambda work: _make(work, verdicts),
        description=DESCRIPTION.format(name=critic).strip(),
        kinds=frozenset({"numpy", "parquet"}),
    )


def _make(work: Work, asset: str) -> Made:
    verdicts = pl.concat(
        work.read(asset, name).select(*STEP, "label") for name in work.input_names(asset)
    )
    frame = scores(work.read("gold_labels", ONLY), verdicts)
    return Made(frame, metadata=_figures(frame))


def _figures(frame: pl.DataFrame) -> dict[str, Any]:
    """For the asset's page: the keep/mask question of each set."""
    masks = frame.filter(question="mask", target=MASKS[0])
    return {
        f"{row['set']}: F1 of mistakes": round(row["f1"], 4)
        for row in masks.iter_rows(named=True)
        if row["f1"] is not None
    }
