"""Runs that went over from one batch to another after the second of them was made.

Of two batches with the same run the one registered first keeps it. So a batch has to be made again
where an earlier one, made after it, took up one of its runs, or let go of one that was left out
of it: else that run would be there twice, or not at all.
"""

import re
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

from srft_assets.home import Home
from srft_assets.refusal import Refusal
from srft_assets.trajectories.batches import manifests
from srft_assets.trajectories.duplicates import ASSET, in_sync, made_partition
from srft_assets.trajectories.manifest import read_manifest
from srft_assets.warehouse.recipe import Code, digest
from srft_assets.warehouse.stamp import Stamp, read_stamp
from srft_assets.warehouse.store import Warehouse

KEY = "runs of earlier batches"
"""The setting. It stays what it was until runs move again, so that a batch is made once for it."""
HOLDER = re.compile(r"duplicate run \S+: batch (\S+) holds it")


class _Made(NamedTuple):
    """A batch in the order of registration, when it was made (nanoseconds), and the latest of all
    times up to and with its own. A batch that was never made has 0."""

    batch: str
    at: int
    latest: int


def moved(home: Home, batch: str, code: Code) -> dict[str, str]:
    """The setting of a batch, if it has one. `code`: the readers' digests.

    Earlier batches that are out of date say nothing until they are made.
    """
    path = Warehouse(home.warehouse).path(ASSET, batch)
    if not path.exists():
        return {}
    state = path.stat()
    stamp = _stamp(path, state.st_mtime_ns, state.st_size)
    if stamp is None:
        return {}
    told = [
        line
        for other in _made_later(home, batch, state.st_mtime_ns)
        for line in _between(home, path, stamp, other, code)
    ]
    value = stamp.recipe.config.get(KEY)
    if told:
        value = f"{'; '.join(told)} ({digest([told, stamp.fingerprint])[:8]})"
    return {} if value is None else {KEY: value}


def _made_later(home: Home, batch: str, at: int) -> list[str]:
    """The batches registered before this one and made after it."""
    folders = home.batches, home.warehouse / ASSET
    order = _order(home, *(folder.stat().st_mtime_ns for folder in folders))
    place = next((number for number, made in enumerate(order) if made.batch == batch), 0)
    if not place or order[place - 1].latest < at:
        return []
    return [made.batch for made in order[:place] if made.at >= at]


@lru_cache(maxsize=4)
def _order(home: Home, batches_ns: int, partitions_ns: int) -> list[_Made]:
    names = [manifest.batch for manifest in manifests(home)]
    times = [_time(Warehouse(home.warehouse).path(ASSET, name)) for name in names]
    return [_Made(*row) for row in zip(names, times, accumulate(times, max), strict=True)]


def _time(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


@lru_cache(maxsize=4096)
def _stamp(path: Path, mtime_ns: int, size: int) -> Stamp | None:
    return read_stamp(path)


def _between(home: Home, path: Path, stamp: Stamp, other: str, code: Code) -> list[str]:
    """What went over between a partition and an earlier batch, in words."""
    manifest = read_manifest(home, other)
    theirs = made_partition(Warehouse(home.warehouse).path(ASSET, other))
    if theirs.stamp is None:
        return []
    if manifest.kind == "files" and not in_sync(theirs.stamp, manifest, code):
        return []
    there = set(theirs.names)
    doubled = there.intersection(made_partition(path).names)
    freed = {one.subject for one in stamp.refused if _holder(one) == other} - there
    return [
        f"{names[0]}{f' and {len(names) - 1} more' if names[1:] else ''} {how} {other}"
        for names, how in ((sorted(doubled), "now in"), (sorted(map(str, freed)), "no more in"))
        if names
    ]


def _holder(refusal: Refusal) -> str | None:
    found = HOLDER.fullmatch(refusal.reason)
    return found[1] if found else None
