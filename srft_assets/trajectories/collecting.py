"""Batches whose runs a collector makes: generated tasks, played by a teacher."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from srft_assets.errors import SrftError
from srft_assets.refusal import Refusal
from srft_assets.trajectories.manifest import Item, Manifest
from srft_assets.trajectories.roles import Role
from srft_assets.trajectories.scan import scan
from srft_assets.trajectories.walk import walk
from srft_assets.warehouse.stage import Work

Collector = Callable[[Work, dict[str, Any]], Path]
"""Makes the raw runs of a batch from its settings; returns the folder of its `.traj.json`."""


def collect(work: Work, manifest: Manifest, collectors: Mapping[str, Collector]) -> Path:
    """Have the runs of a batch made; the folder of its `.traj.json`. Raises SrftError."""
    collector = collectors.get(manifest.kind)
    if collector is None:
        known = ", ".join(["files", *sorted(collectors)])
        raise SrftError(
            f"batch {manifest.batch} is of kind {manifest.kind!r}; this platform knows: {known}"
        )
    return collector(work, dict(manifest.settings))


def collected(folder: Path, refused: list[Refusal]) -> list[Item]:
    """The runs that a collector left; files of another kind are its own affair."""
    items = []
    for file in walk([folder]).files:
        if file.path.endswith(".traj.json"):
            seen = scan(file)
            if seen.ruling.role is Role.RUNS:
                items.append(seen.item(0, seen.rows))
            else:
                refused.append(Refusal(seen.path, seen.ruling.reason, excerpt=seen.excerpt))
    return items
