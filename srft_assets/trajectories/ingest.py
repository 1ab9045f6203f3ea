"""Registering recorded runs: files in, manifests of batches out. Nothing is materialized."""

import re
from collections.abc import Sequence
from pathlib import Path

from srft_assets.errors import UsageError
from srft_assets.home import Home
from srft_assets.trajectories.batches import registering
from srft_assets.trajectories.family import AUTO
from srft_assets.trajectories.formats import READERS
from srft_assets.trajectories.hub import fetch, is_hub
from srft_assets.trajectories.ingest_plan import IngestPlan
from srft_assets.trajectories.registration import Registration
from srft_assets.warehouse.store import check_partition_name

BATCH_SIZE = 200
SUFFIXES = re.compile(r"(\.traj)?\.(json|jsonl|ndjson|traj|parquet|arrow)$", re.IGNORECASE)


def ingest(
    home: Home,
    paths: Sequence[str | Path],
    batch: str | None = None,
    format: str | None = None,
    batch_size: int = BATCH_SIZE,
) -> IngestPlan:
    """Write the manifests of the batches that hold the runs below `paths`.

    A row that has a place in a batch keeps it; new rows fill the last batch and then new ones.
    Where nothing changed, nothing is written. `format` names a reader, or `auto` to detect
    again; None keeps what was said before. Raises UsageError for wrong arguments.
    """
    if format not in (None, AUTO, *READERS):
        raise UsageError(f"no format {format!r}; there are: {', '.join([AUTO, *sorted(READERS)])}")
    local = [fetch(str(path)) if is_hub(str(path)) else Path(path) for path in paths]
    family = check_partition_name(batch or default_name(paths, local))
    with registering(home):
        return Registration(home, family, format, batch_size).run(local)


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
