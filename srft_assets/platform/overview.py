"""What there is, what is stale and why, what goes on, and what to do next: `srft status`."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import polars as pl

from srft_assets.errors import SrftError, UsageError
from srft_assets.home import Home
from srft_assets.instance import OpenRun, open_runs
from srft_assets.integrity.finding import SAID
from srft_assets.platform.planning import look
from srft_assets.platform.summaries import held_once, summaries
from srft_assets.project.settings import settings
from srft_assets.trajectories.batches import batch_names
from srft_assets.warehouse.plan import Item, Snapshot, State
from srft_assets.warehouse.query import run_query
from srft_assets.warehouse.sql import sql_files
from srft_assets.warehouse.stage import Stage

NAMED = {"batches": "batch", "critics": "critic", "arms": "arm"}
"""Listings that have a row for everything that is registered, or that YAML states."""
LISTS = {
    "runs": "FROM runs ORDER BY batch, trajectory_id",
    "checkpoints": "SELECT * EXCLUDE (loss_curve) FROM checkpoints ORDER BY arm, seed",
}
"""Listings that are no named query."""
KINDS = {"critics": "step_verdicts/", "arms": "checkpoints/"}


@dataclass(frozen=True, slots=True)
class Stale:
    """An asset with partitions that are not in sync: how many by state, and the first reason."""

    asset: str
    states: dict[str, int]
    why: str

    @property
    def waits(self) -> bool:
        """Whether all of it waits for something else."""
        return set(self.states) == {str(State.WAITING)}


@dataclass(frozen=True, slots=True)
class Overview:
    """One look at the platform; the frames are those of the named queries.

    `left` is what may still be paid for where that is bounded: by critic of its life, and as
    `today` of the schedule; by unit (calls, tokens, usd). `tainted` counts runs by what taints
    them, as `read the fix`.
    """

    batches: pl.DataFrame
    critics: pl.DataFrame
    arms: pl.DataFrame
    stale: list[Stale]
    running: list[OpenRun]
    left: dict[str, dict[str, float]]
    tainted: dict[str, int]
    next: str

    def as_dict(self) -> dict[str, Any]:
        """The same, JSON-able but for times."""
        frames = {"batches": self.batches, "critics": self.critics, "arms": self.arms}
        return {
            **{name: frame.to_dicts() for name, frame in frames.items()},
            "stale": [
                {"asset": one.asset, "states": one.states, "why": one.why} for one in self.stale
            ],
            "running": [
                {
                    "run_id": run.run_id,
                    "job": run.job,
                    "by": run.by,
                    "status": run.status,
                    "assets": list(run.assets),
                    "partition": run.partition,
                    "since": run.since.isoformat(),
                }
                for run in self.running
            ],
            "left": self.left,
            "tainted": self.tainted,
            "next": self.next,
        }


def overview(home: Home, stages: Mapping[str, Stage]) -> Overview:
    """Look at everything once. The catalogue must be up to date. Raises SrftError."""
    warehouse = Snapshot(home.warehouse)
    seen = look(stages, home, warehouse=warehouse)
    frames = _frames(home, stages, warehouse)
    stale = list(_stale(seen.items))
    running = open_runs(home)
    there = not frames["batches"].is_empty()
    return Overview(
        **frames,
        stale=stale,
        running=running,
        left=_left(home, stages),
        tainted=_tainted(warehouse),
        next=_next(stale, running, seen.needed, there),
    )


def _tainted(warehouse: Snapshot) -> dict[str, int]:
    """See `Overview`; as the partitions of `integrity` count them."""
    stamps = [warehouse.stamp("integrity", name) for name in warehouse.partitions("integrity")]
    counts = {
        told: round(sum(one.figures.get(f"tainted_{kind}", 0) for one in stamps if one))
        for kind, told in SAID.items()
    }
    return {told: count for told, count in counts.items() if count}


def _left(home: Home, stages: Mapping[str, Stage]) -> dict[str, dict[str, float]]:
    """See `Overview`."""
    stated = settings()
    limits = (stated.critic, stated.relabel)
    if all(one.max_calls is one.max_tokens is one.max_usd is None for one in limits):
        return {}
    from srft_assets.critic.budget import left, today
    from srft_assets.critic.spending import left_of_life, prices_of, spent

    critics = [name for name in names_of(stages, "critics") if stages[KINDS["critics"] + name].pool]
    of_day = left(stated.relabel, spent(home, prices_of(stated), since=today()))
    found = {name: left_of_life(home, name, stated) for name in critics} | {"today": of_day}
    return {name: units for name, units in found.items() if units}


def _frames(
    home: Home, stages: Mapping[str, Stage], warehouse: Snapshot
) -> dict[str, pl.DataFrame]:
    """The rows of the named listings; of those that partitions cannot sum up, by counting rows."""
    found: dict[str, pl.DataFrame | None] = {}
    with suppress(SrftError, OSError, pl.exceptions.PolarsError):
        if held_once(warehouse):
            names = {name: _names(home, stages, name) for name in NAMED}
            found = summaries(home, warehouse, names)
    frames = {name: found.get(name) for name in NAMED}
    return {
        name: listing(home, stages, name) if frame is None else frame
        for name, frame in frames.items()
    }


def listing(home: Home, stages: Mapping[str, Stage], name: str, where: str = "") -> pl.DataFrame:
    """The rows of one listing, of those for which the SQL condition `where` holds.

    Raises UsageError where the condition is wrong or would do anything but read.
    """
    parameters: dict[str, Any] | None = None
    if name == "exports":
        from srft_assets.exports.known import COLUMNS, known_exports

        rows = known_exports(home)
        parameters = {column: [row[column] for row in rows] for column in COLUMNS}
        text = ", ".join(f"unnest(${one}::{kind}[]) AS {one}" for one, kind in COLUMNS.items())
        text = f"SELECT {text}"
    else:
        text = LISTS.get(name) or next(f.text for f in sql_files("queries") if f.name == name)
    if name in NAMED:
        column = NAMED[name]
        parameters = {"names": _names(home, stages, name)}
        text = (
            f"SELECT * FROM (SELECT unnest($names::VARCHAR[]) AS {column}) "
            f"FULL JOIN ({text}) USING ({column}) ORDER BY {column}"
        )
    if not where:
        return run_query(home, text, parameters)
    try:
        return run_query(home, f"SELECT * FROM ({text}\n) WHERE {where}\n", parameters)
    except SrftError as error:
        run_query(home, text, parameters)  # what fails without the condition is no fault of it
        raise UsageError(str(error)) from None


def _names(home: Home, stages: Mapping[str, Stage], name: str) -> list[str]:
    """The batches that are registered, or see `names_of`."""
    return batch_names(home) if name == "batches" else names_of(stages, name)


def names_of(stages: Mapping[str, Stage], name: str) -> list[str]:
    """The critics or arms that YAML states."""
    kind = KINDS[name]
    return sorted(key.removeprefix(kind) for key in stages if key.startswith(kind))


def _stale(items: Mapping[str, Sequence[Item]]) -> Iterator[Stale]:
    for asset, all_of_it in items.items():
        other = [item for item in all_of_it if item.state is not State.IN_SYNC]
        if other:
            states: dict[str, int] = {}
            for item in other:
                states[str(item.state)] = states.get(str(item.state), 0) + 1
            told = next((item for item in other if item.why), other[0])
            why = f"{told.partition}: {'; '.join(told.why)}" if told.why else ""
            yield Stale(asset, states, why)


def _next(
    stale: Sequence[Stale], running: Sequence[OpenRun], needed: Collection[str], there: bool
) -> str:
    """What goes on, in one command."""
    if not there:
        return "srft ingest PATH reads recorded runs; srft demo makes some"
    if running:
        return f"{len(running)} under way; srft status tells when they are over"
    made = [one for one in stale if not one.waits]
    if [one for one in made if one.asset in needed]:
        return "srft plan says what it takes; srft apply makes it"
    if made:
        return f"srft apply {made[0].asset} makes what is made only when it is named"
    if stale:
        return f"{stale[0].asset} waits: {stale[0].why}"
    return "nothing to make; srft compare tells the arms apart"
