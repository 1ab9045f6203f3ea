"""Which runs of a batch an arm takes: by outcome, by condition, each once, a few a task."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from srft_assets.errors import SrftError
from srft_assets.outcomes.model import Status
from srft_assets.tokens.arm import ArmSpec
from srft_assets.tokens.cap import within_cap
from srft_assets.tokens.policy import takes
from srft_assets.tokens.where import ids_where


@dataclass(frozen=True, slots=True)
class Chosen:
    """The taken rows of `trajectories`, in their order, and how many were left, by reason."""

    frame: pl.DataFrame
    left_out: Mapping[str, int]


def choose(arm: ArmSpec, runs: pl.DataFrame, outcomes: pl.DataFrame) -> Chosen:
    """Choose among the runs of one batch; a run without outcome counts as `unknown`.

    `outcomes`: rows of `test_outcomes`. What is identical or too many over several batches only
    training can see, and chooses by the same order. Raises SrftError for a wrong `where`.
    """
    left_out: Counter[str] = Counter()

    def keep(why: str, taken: pl.Series) -> None:
        nonlocal runs
        left_out[why] = runs.height - int(taken.sum())
        runs = runs.filter(taken)

    status = dict(outcomes.select("trajectory_id", "status").iter_rows())
    of = [Status(status.get(name, Status.UNKNOWN)) for name in runs["trajectory_id"]]
    keep("of_other_outcome", pl.Series([takes(arm, one) for one in of], dtype=pl.Boolean))
    if arm.where is not None:
        fitting = _where(arm.name, arm.where, runs, outcomes)
        keep("outside_where", runs["trajectory_id"].is_in(list(fitting)))
    if arm.dedup:
        keep("identical", runs.select(pl.struct("messages", "tools").is_first_distinct())[:, 0])
    if arm.per_instance is not None:
        cells = runs.select("trajectory_id", "instance_id")
        keep("over_per_instance", within_cap(cells, arm.per_instance, arm.seed))
    return Chosen(runs, left_out)


def _where(name: str, condition: str, runs: pl.DataFrame, outcomes: pl.DataFrame) -> set[str]:
    try:
        return ids_where(condition, runs, outcomes)
    except SrftError as error:
        raise SrftError(f"arm {name}: {error}") from None
