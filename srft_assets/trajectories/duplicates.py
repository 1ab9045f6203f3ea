"""Which runs earlier batches hold.

Of two batches with the same run, the one registered first keeps it. Batches that are out of
date, or were never made, are read from their sources, so that the answer follows from the
manifests alone: the warehouse comes out the same in whatever order its batches are made.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import polars as pl

from srft_assets.home import Home
from srft_assets.trajectories.batches import manifests, runs_config
from srft_assets.trajectories.manifest import Item, Manifest
from srft_assets.trajectories.reads import runs_of, uncollected
from srft_assets.trajectories.sources import SourceChangedError, verify
from srft_assets.warehouse.recipe import Code
from srft_assets.warehouse.stamp import Stamp, read_stamp
from srft_assets.warehouse.store import Warehouse

ASSET = "trajectories"


def held_before(home: Home, warehouse: Warehouse, batch: str, code: Code) -> dict[str, str]:
    """Trajectory id → batch, for all runs of the batches registered before `batch`.

    `code`: the readers' digests; a partition made by other code counts as out of date.
    """
    held: dict[str, str] = {}
    for manifest in manifests(home):
        if manifest.batch == batch:
            break
        for name in _ids(warehouse, manifest, code):
            held.setdefault(name, manifest.batch)
    return held


def _ids(warehouse: Warehouse, manifest: Manifest, code: Code) -> tuple[str, ...]:
    try:
        made = made_partition(warehouse.path(ASSET, manifest.batch))
    except FileNotFoundError:
        return _read_ids(manifest)
    if manifest.kind != "files" or made.in_sync(manifest, code):
        return made.names
    return _read_ids(manifest) or made.names


def in_sync(stamp: Stamp, manifest: Manifest, code: Code) -> bool:
    """Whether a partition was made from what its manifest says now, by this code."""
    return dict(stamp.recipe.code) == dict(code) and all(
        stamp.recipe.config.get(key) == value for key, value in runs_config(manifest).items()
    )


@dataclass(slots=True)
class MadeIds:
    """A partition as it lies there, and what it was last compared with: every later batch asks."""

    stamp: Stamp | None
    names: tuple[str, ...]
    compared: tuple[Manifest, Code, bool] | None = None

    def in_sync(self, manifest: Manifest, code: Code) -> bool:
        if self.stamp is None:
            return False
        if self.compared is None or self.compared[0] is not manifest or self.compared[1] != code:
            self.compared = manifest, dict(code), in_sync(self.stamp, manifest, code)
        return self.compared[2]


def made_partition(path: Path) -> MadeIds:
    """The ids and the stamp of a partition. Raises FileNotFoundError where there is none."""
    state = path.stat()
    return _made(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=4096)
def _made(path: Path, mtime_ns: int, size: int) -> MadeIds:
    names = pl.read_parquet(path, columns=["trajectory_id"], hive_partitioning=False, glob=False)
    return MadeIds(read_stamp(path), tuple(names["trajectory_id"]))


def _read_ids(manifest: Manifest) -> tuple[str, ...]:
    if manifest.root is None:
        return ()
    return _ids_in(manifest.root, manifest.items, manifest.format)


@lru_cache(maxsize=256)
def _ids_in(root: str, items: tuple[Item, ...], format: str | None) -> tuple[str, ...]:
    """Ids read from the sources; none where these are gone or changed since ingest."""
    folder = Path(root)
    try:
        for item in items:
            verify(folder, item)
        with uncollected():
            return tuple(run.trajectory_id for run in runs_of(folder, items, format, []))
    except (SourceChangedError, OSError):
        return ()
