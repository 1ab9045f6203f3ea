"""Earlier versions of partitions that people compare: prompts and verdicts."""

import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from srft_assets.home import Home
from srft_assets.warehouse.placing import sync_folder
from srft_assets.warehouse.stage import Stage
from srft_assets.warehouse.stamp import Stamp, read_stamp
from srft_assets.warehouse.store import Warehouse

FINGERPRINT_CHARS = 16


def keep_version(home: Home, stage: Stage, partition: str) -> Path | None:
    """Let the partition of now stay, whatever replaces it; None where there is none.

    Costs a link, not a copy, where the file system has links.
    """
    path = Warehouse(home.warehouse).path(stage.key, partition)
    stamp = read_stamp(path)
    if stamp is None:
        return None
    kept = _folder(home, stage, partition) / f"{stamp.fingerprint[:FINGERPRINT_CHARS]}.parquet"
    if kept.exists():
        return kept
    kept.parent.mkdir(parents=True, exist_ok=True)
    beside = kept.with_name(f".{kept.name}.{uuid.uuid4().hex}.tmp")
    try:
        try:
            os.link(path, beside)
        except OSError:
            shutil.copyfile(path, beside)
        beside.replace(kept)
    finally:
        beside.unlink(missing_ok=True)
    sync_folder(kept.parent)
    return kept


def versions(home: Home, stage: Stage, partition: str) -> Iterator[Stamp]:
    """Stamps of the versions that were kept, in no order."""
    for path in _folder(home, stage, partition).glob("*.parquet"):
        stamp = read_stamp(path)
        if stamp is not None:
            yield stamp


def _folder(home: Home, stage: Stage, partition: str) -> Path:
    """`<warehouse>/<stage.kept>/<name>/<partition>`."""
    return home.warehouse / stage.kept / stage.key.rpartition("/")[2] / partition
