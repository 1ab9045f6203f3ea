"""The figures of a critic against gold sets, as rows."""

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
from srft_assets.critic.scores.schema import ALL, CRITIC_SCORES, MASKS, RESAMPLES, SEED
from srft_assets.critic.spec import LABELS


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
