"""The batches of a platform: which there are, and registering one."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from fcntl import LOCK_EX, flock
from typing import Any

from srft_assets.errors import UsageError
from srft_assets.home import Home
from srft_assets.trajectories.manifest import Manifest, read_manifest, write_manifest
from srft_assets.warehouse.recipe import digest
from srft_assets.warehouse.store import PARTITION_NAME, check_partition_name

LAB = "lab"


def batch_names(home: Home) -> list[str]:
    """All registered batches, sorted by name."""
    return sorted(
        path.stem for path in home.batches.glob("*.json") if PARTITION_NAME.fullmatch(path.stem)
    )


def manifests(home: Home) -> list[Manifest]:
    """All manifests in the order of their registration."""
    found = [read_manifest(home, batch) for batch in batch_names(home)]
    return sorted(found, key=lambda manifest: (manifest.registered, manifest.batch))


def runs_config(manifest: Manifest) -> dict[str, Any]:
    """Settings that decide the runs of a batch: contents, never places or times.

    One key a file, so that a plan can name the file that changed.
    """
    if manifest.kind != "files":
        return {"kind": manifest.kind, "settings": manifest.settings}
    config: dict[str, Any] = {"kind": manifest.kind, "format": manifest.format}
    config |= {f"file {item.label}": item.blake3[:16] for item in manifest.items}
    for refused in manifest.refused:
        config[f"refused {refused.path}"] = digest(refused.model_dump())[:16]
    return config


def reports_config(manifest: Manifest) -> dict[str, Any]:
    """Settings that decide the outcomes read from what graders left: contents only."""
    config: dict[str, Any] = {}
    for report in manifest.reports:
        config[f"report {report.path}"] = report.blake3[:16]
        config |= {f"evidence {file.path}": file.blake3[:16] for file in report.evidence}
    config |= {f"predictions {file.path}": file.blake3[:16] for file in manifest.predictions}
    return config


def manifest_digest(home: Home, batch: str) -> str:
    """64 hex digits over all that decides runs and outcomes of a batch. Raises SrftError."""
    manifest = read_manifest(home, batch)
    return digest([runs_config(manifest), reports_config(manifest)])


@contextmanager
def registering(home: Home) -> Iterator[None]:
    """Hold the platform's registration lock; the kernel lets go of it if the process dies."""
    home.batches.mkdir(parents=True, exist_ok=True)
    with (home.batches / ".lock").open("w") as file:
        flock(file, LOCK_EX)
        for torn in home.batches.glob(".*.tmp"):
            torn.unlink()
        yield


def next_number(known: Iterable[Manifest]) -> int:
    """The registration number after those of the known manifests."""
    return 1 + max((manifest.registered for manifest in known), default=-1)


def write_batch(home: Home, batch: str, kind: str, settings: Mapping[str, Any]) -> bool:
    """Register a batch whose runs the collector `kind` makes; False where nothing changed.

    Raises UsageError where the name belongs to a batch of another kind.
    """
    check_partition_name(batch)
    with registering(home):
        known = {manifest.batch: manifest for manifest in manifests(home)}
        old = known.get(batch)
        if old is not None and old.kind != kind:
            raise UsageError(f"batch {batch} exists already, of kind {old.kind}: choose a new name")
        number = old.registered if old else next_number(known.values())
        return write_manifest(
            home,
            Manifest(
                batch=batch, kind=kind, family=batch, registered=number, settings=dict(settings)
            ),
        )


def write_lab_batch(home: Home, batch: str, settings: Mapping[str, Any]) -> bool:
    """Register a batch of generated tasks that the lab's teacher plays; see `write_batch`."""
    return write_batch(home, batch, LAB, settings)
