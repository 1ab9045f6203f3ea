"""Files that are there whole or not at all."""

import os
import uuid
from pathlib import Path

from srft_assets.warehouse.store import sync_folder


def put_whole(target: Path, content: bytes) -> None:
    """Write beside the target, fsync, rename over it; makes the folder where it is missing."""
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.parent / f".{target.name}.{uuid.uuid4().hex}.tmp"
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)
    sync_folder(target.parent)
