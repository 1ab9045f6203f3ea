"""A text looked for in what runs did or in what critics said, batch by batch until enough is found.

Reading all commands of a large platform takes seconds, those that fill a page few milliseconds.
What was found in a batch is kept until its files change, so that the next page, the next run and
the count of all go on where the last question ended.
"""

import os
import threading
import time
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import polars as pl

from srft_assets.errors import SrftError
from srft_assets.warehouse.partitions import Warehouse

KEPT = 8
"""Texts whose runs are kept."""
TEXTS = {"commands": "step_commands", "reasons": "reason"}
"""Where is looked: the column that holds the texts."""
State = tuple[int, int, int] | None
Kept = dict[str, tuple[tuple[State, ...], frozenset[str]]]
"""Batch → the files that were looked through, and the runs of those that hold the text."""


@dataclass(frozen=True, slots=True)
class Hits:
    """Runs that hold a text, in the order in which they were asked for.

    Attributes:
        ids: of those among the first `looked` runs.
        looked: as many were looked through.
    """

    ids: list[str]
    looked: int


class Searches:
    """Looks for texts; several threads may ask at once."""

    def __init__(self, warehouse: Warehouse) -> None:
        self.warehouse = warehouse
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[str, str], Kept] = OrderedDict()

    def find(
        self, place: str, text: str, runs: pl.DataFrame, enough: int | None, seconds: float
    ) -> Hits:
        """Of `runs` (trajectory_id, batch) those that hold the text, in capitals or not: the first
        `enough`, or more, or all. Raises SrftError where that takes longer than `seconds`.
        """
        known, until = self._of(place, text), time.monotonic() + seconds
        left = iter(runs["batch"].unique(maintain_order=True).to_list())
        found: dict[str, frozenset[str]] = {}
        assets, column, several = self._assets(place), TEXTS[place], os.cpu_count() or 1

        def look(batch: str) -> frozenset[str]:
            return self._in_batch(known, assets, column, text, batch)

        with ThreadPoolExecutor(several) as pool:
            while batches := list(islice(left, several)):
                several *= 2
                found |= dict(zip(batches, pool.map(look, batches), strict=True))
                hits = _hits(runs, found)
                if enough is not None and len(hits.ids) >= enough:
                    return hits
                if time.monotonic() > until:
                    told = f"{hits.looked:,} of {runs.height:,} runs were looked through"
                    raise SrftError(f"the search took longer than {seconds:.0f} seconds: {told}")
        return _hits(runs, found)

    def _of(self, place: str, text: str) -> Kept:
        with self._lock:
            known = self._known.setdefault((place, text), {})
            self._known.move_to_end((place, text))
            while len(self._known) > KEPT:
                self._known.popitem(last=False)
            return known

    def _assets(self, place: str) -> list[str]:
        if place == "commands":
            return ["trajectories"]
        folders = self.warehouse.root.glob("step_verdicts/*/")
        return sorted(f"step_verdicts/{one.name}" for one in folders)

    def _in_batch(
        self, known: Kept, assets: list[str], column: str, text: str, batch: str
    ) -> frozenset[str]:
        state = tuple(_state(self.warehouse.path(one, batch)) for one in assets)
        old = known.get(batch)
        if old is None or old[0] != state:
            there = [one for one, its in zip(assets, state, strict=True) if its is not None]
            ids = (self._in_file(column, text, one, batch) for one in there)
            old = known[batch] = state, frozenset[str]().union(*ids)
        return old[1]

    def _in_file(self, column: str, text: str, asset: str, batch: str) -> list[str]:
        try:
            rows = self.warehouse.read(asset, batch, ["trajectory_id", column])
        except FileNotFoundError:
            return []
        while isinstance(rows.schema[column], pl.List):
            rows = rows.explode(column)
        holds = pl.col(column).str.contains(f"(?i){pl.escape_regex(text)}")
        return rows.filter(holds)["trajectory_id"].unique().to_list()


def _state(path: Path) -> State:
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return stat.st_ino, stat.st_mtime_ns, stat.st_size


def _hits(runs: pl.DataFrame, found: dict[str, frozenset[str]]) -> Hits:
    """What is known of the first runs, as far as all of their batches were looked through."""
    known = pl.col("batch").is_in(list(found))
    looked = runs.filter(known.cast(pl.UInt8).cum_min().cast(pl.Boolean))
    ids = list(frozenset[str]().union(*found.values()))
    held = looked.filter(pl.col("trajectory_id").is_in(ids))
    return Hits(held["trajectory_id"].to_list(), looked.height)
