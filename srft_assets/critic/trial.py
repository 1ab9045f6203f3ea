"""A critic tried on a few runs before all are paid for: what it says, changes, and would cost."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest

import polars as pl

from srft_assets.critic.gold.labels import STEP
from srft_assets.critic.scores import CRITIC_SCORES, scores
from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.serving.server import Serve
from srft_assets.warehouse.making import work_alone
from srft_assets.warehouse.partitions import ONLY, Warehouse
from srft_assets.warehouse.stage import Progress, Stage


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of it.

    Attributes:
        verdicts: trajectory_id, step_index, label, reason.
        before: those of the partitions there are, of the same steps; `label_a`, `reason_a` of
            before beside `label_b`, `reason_b` of now.
        scores: rows of `critic_scores` over the runs that were tried; empty without gold labels.
        paid, answered: calls, and those that the ledger answered.
        runs: that were tried, of `of` that the critic would judge.
    """

    verdicts: pl.DataFrame
    before: pl.DataFrame
    scores: pl.DataFrame
    paid: int
    answered: int
    runs: int
    of: int


def sample(
    home: Home, stage: Stage, batches: Sequence[str], count: int, seed: int, gold: bool
) -> tuple[dict[str, list[str]], int]:
    """Runs to try by batch, evenly over the batches; and how many there are to choose from.

    `gold`: only runs that bear gold labels.
    """
    assert stage.trial is not None
    labelled = set(_gold(home)["trajectory_id"]) if gold else None
    drawn, total = [], 0
    for batch in batches:
        ids = stage.trial.subjects(home, batch)
        ids = sorted(ids if labelled is None else labelled.intersection(ids))
        random.Random(f"{seed} {batch}").shuffle(ids)
        drawn.append([(batch, one) for one in ids])
        total += len(ids)
    chosen = [one for one in chain(*zip_longest(*drawn)) if one is not None][:count]
    by_batch: dict[str, list[str]] = {}
    for batch, one in chosen:
        by_batch.setdefault(batch, []).append(one)
    return by_batch, total


def try_on(
    home: Home,
    stage: Stage,
    runs: Mapping[str, Sequence[str]],
    of: int,
    progress: Progress,
    serve: Serve,
) -> Tried:
    """Label these runs. Answers are kept in the ledger; no partition is written.

    Raises SrftError where there is no run, and as the making of a partition.
    """
    if stage.trial is None or not runs:
        raise SrftError(f"{stage.key}: there is no run to try it on: srft plan says why")
    made = []
    for batch, ids in runs.items():
        work = work_alone(stage, home, batch, progress=progress, serve=serve, run_id="try")
        made.append(stage.trial.make(work, ids))
    verdicts = pl.concat(one.frame for one in made).select(*STEP, "label", "reason")
    return Tried(
        verdicts=verdicts,
        before=_before(home, stage, runs, verdicts),
        scores=_scores(home, verdicts),
        paid=sum(one.metadata["calls_paid"] for one in made),
        answered=sum(one.metadata["calls_answered_by_ledger"] for one in made),
        runs=sum(map(len, runs.values())),
        of=of,
    )


def _before(
    home: Home, stage: Stage, runs: Mapping[str, Sequence[str]], verdicts: pl.DataFrame
) -> pl.DataFrame:
    warehouse = Warehouse(home.warehouse)
    there = [
        warehouse.read(stage.key, batch, [*STEP, "label", "reason"])
        for batch in runs
        if warehouse.stamp(stage.key, batch)
    ]
    old = pl.concat(there) if there else verdicts.clear()
    old = old.rename({"label": "label_a", "reason": "reason_a"})
    now = verdicts.rename({"label": "label_b", "reason": "reason_b"})
    return now.join(old, on=STEP, how="inner", maintain_order="left")


def _gold(home: Home) -> pl.DataFrame:
    """Rows of the asset `gold_labels`. Raises SrftError where it was never made."""
    warehouse = Warehouse(home.warehouse)
    if warehouse.stamp("gold_labels") is None:
        raise SrftError("there are no gold labels yet: srft apply gold_labels")
    return warehouse.read("gold_labels", ONLY)


def _scores(home: Home, verdicts: pl.DataFrame) -> pl.DataFrame:
    if Warehouse(home.warehouse).stamp("gold_labels") is None:
        return CRITIC_SCORES.to_frame()
    tried = verdicts["trajectory_id"].unique().to_list()
    gold = _gold(home).filter(pl.col("trajectory_id").is_in(tried))
    return scores(gold, verdicts.select(*STEP, "label"))
