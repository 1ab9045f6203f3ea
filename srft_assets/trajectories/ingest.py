"""Recorded runs in: files become batches."""

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from srft_assets.errors import UsageError
from srft_assets.home import Home
from srft_assets.trajectories.batches import registering
from srft_assets.trajectories.formats import READERS
from srft_assets.trajectories.hub import fetch, is_hub
from srft_assets.trajectories.registration import AUTO, IngestPlan, Registration, Tell
from srft_assets.trajectories.stage import trajectories_stage, write_partition
from srft_assets.warehouse.store import check_partition_name

__all__ = ["IngestPlan", "ingest"]

BATCH_SIZE = 200
SUFFIXES = re.compile(r"(\.traj)?\.(json|jsonl|ndjson|traj|parquet|arrow)$", re.IGNORECASE)


def ingest(
    home: Home,
    paths: Sequence[str | Path],
    batch: str | None = None,
    format: str | None = None,
    batch_size: int = BATCH_SIZE,
    *,
    partitions: bool = True,
    tell: Tell = lambda done, files: None,
) -> IngestPlan:
    """Register the batches that hold the runs below `paths`, and write the partitions of new ones.

    A row that has a place in a batch keeps it; new rows fill the last batch and then new ones.
    Where nothing changed, nothing is written; a batch that changed is stale, and made again by
    whoever makes partitions. `format` names a reader, or `auto` to detect again; None keeps what
    was said before. `partitions`: False registers only; `tell` is told how far it is. Raises
    UsageError for wrong arguments.
    """
    if format not in (None, AUTO, *READERS):
        raise UsageError(f"no format {format!r}; there are: {', '.join([AUTO, *sorted(READERS)])}")
    local = [fetch(str(path)) if is_hub(str(path)) else Path(path) for path in paths]
    family = check_partition_name(batch or default_name(paths, local))
    write = partial(write_partition, trajectories_stage(), home) if partitions else None
    with registering(home):
        return Registration(home, family, format, batch_size, write).run(local, tell)


def default_name(paths: Sequence[str | Path], local: Sequence[Path]) -> str:
    """The name of the first path, without its suffix, in characters fit for a partition."""
    if not paths:
        raise UsageError("name at least one file or folder to ingest")
    if is_hub(str(paths[0])):
        name = "-".join(str(paths[0]).removeprefix("hf://datasets/").strip("/").split("/"))
    else:
        first = local[0].expanduser().absolute()
        name = first.resolve().name if first.is_dir() else SUFFIXES.sub("", first.name)
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._")[:100] or "batch"
