"""Reading the next batch while this one is written.

Python reads on one core, and rows are hashed and written without it.
"""

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor

from srft_assets.home import Home
from srft_assets.trajectories.batches import manifests
from srft_assets.trajectories.duplicates import ASSET, in_sync
from srft_assets.trajectories.manifest import Manifest, registered_ns
from srft_assets.trajectories.rows import Reading, Rows, read, reading_of
from srft_assets.trajectories.sources import untouched
from srft_assets.warehouse.store import Warehouse

LARGE_BYTES = 64 << 20
"""A larger batch is not read ahead: there would be two in memory."""

_begun: dict[Reading, Future[Rows | None]] = {}
"""What is read before it is asked for: at most one batch."""


def begin_next(
    home: Home, warehouse: Warehouse, manifest: Manifest, code: Mapping[str, str]
) -> None:
    """Begin to read the next batch of the family, if it is yet to be made."""
    _begun.clear()
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
    if stamp is None or not in_sync(stamp, found, code):
        thread = ThreadPoolExecutor(1, "read-ahead")
        reading = reading_of(found)
        _begun[reading] = thread.submit(_read, reading, registered_ns(home, found.batch))
        thread.shutdown(wait=False)


def taken(reading: Reading) -> Rows | None:
    """The rows, if exactly this was begun. Their sources are still to be verified."""
    begun = _begun.pop(reading, None)
    return None if begun is None or begun.exception() else begun.result()


def _read(reading: Reading, registered: int) -> Rows | None:
    """None where a source is not as it was ingested, or that cannot be told at first sight."""
    if all(untouched(reading.root, item, registered) for item in reading.items):
        return read(reading)
    return None
