"""Reading a batch with all hands, and the next one while this one is written."""

from collections import deque
from contextlib import suppress
from functools import partial
from itertools import islice

import polars as pl

from srft_assets.home import Home
from srft_assets.refusal import Refusal
from srft_assets.trajectories.batches import manifests
from srft_assets.trajectories.duplicates import ASSET, in_sync
from srft_assets.trajectories.helpers import helpers_for
from srft_assets.trajectories.manifest import Manifest, registered_ns
from srft_assets.trajectories.parts import discard, fetched, parts_of, read_there
from srft_assets.trajectories.reads import uncollected
from srft_assets.trajectories.rows import Reading, Rows, read, reading_of
from srft_assets.trajectories.shared_work import SharedWork
from srft_assets.trajectories.sources import untouched
from srft_assets.warehouse.recipe import Code
from srft_assets.warehouse.stage import Progress
from srft_assets.warehouse.store import Warehouse

LARGE_BYTES = 64 << 20
"""A larger batch is not read ahead: there would be two in memory."""

Begun = SharedWork[Reading, Rows]

_begun: dict[Reading, Begun] = {}
"""What is read before it is asked for: at most one batch."""


def begin(reading: Reading) -> Begun:
    """Let the helpers begin to read, if there are any. Raises OSError where a source is gone."""
    work = SharedWork(parts_of(reading), read)
    _share(work, reading, wanted=True)
    return work


def _share(work: Begun, reading: Reading, wanted: bool) -> None:
    helpers = helpers_for(sum(item.bytes for item in reading.items), wanted)
    if helpers is not None:
        work.hand_to(helpers, partial(read_there, folder=helpers.folder), fetched, discard)


def finished(work: Begun, progress: Progress, label: str) -> Rows:
    """The rows of all parts, and all that was refused. Shows how many records are read."""
    frames: list[pl.DataFrame] = []
    refused: list[Refusal] = []
    sizes = [sum(item.rows for item in part.items) for part in work.parts]
    shown = progress.track(range(sum(sizes)), label, total=sum(sizes))
    with uncollected():
        for size, (frame, unfit) in zip(sizes, work.results(), strict=True):
            frames.append(frame)
            refused += unfit
            deque(islice(shown, size), maxlen=0)
    deque(shown, maxlen=0)
    return pl.concat(frames), refused


def begin_next(home: Home, warehouse: Warehouse, manifest: Manifest, code: Code) -> None:
    """Begin to read the next batch of the family, if it is yet to be made and its sources are, at
    first sight, those that were ingested.
    """
    _drop()
    later = (
        one
        for one in manifests(home)
        if (one.family, one.kind) == (manifest.family, "files")
        and one.registered > manifest.registered
    )
    found = next(later, None)
    if found is None or sum(item.bytes for item in found.items) > LARGE_BYTES:
        return
    stamp = warehouse.stamp(ASSET, found.batch)
    if (stamp is None or not in_sync(stamp, found, code)) and _as_ingested(home, found):
        reading = reading_of(found)
        with suppress(OSError):  # a source is gone, which is told when the batch is made
            work = _begun[reading] = SharedWork(parts_of(reading), read)
            _share(work, reading, wanted=False)


def taken(home: Home, manifest: Manifest) -> Begun | None:
    """What was begun of exactly this, if its sources are still those that were ingested, at first
    sight: then they were while they were read.
    """
    reading = reading_of(manifest)
    begun = _begun.pop(reading, None)
    if begun is None:
        return None
    if not _as_ingested(home, manifest):
        begun.drop()
        return None
    if not begun.shared:
        _share(begun, reading, wanted=True)
    return begun


def _as_ingested(home: Home, manifest: Manifest) -> bool:
    registered, root = registered_ns(home, manifest.batch), manifest.folder()
    return all(untouched(root, item, registered) for item in manifest.items)


def _drop() -> None:
    for begun in _begun.values():
        begun.drop()
    _begun.clear()
