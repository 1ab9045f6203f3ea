"""The asset `trajectories`: one batch of recorded runs, cut into steps."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.refusal import Refusal
from srft_assets.trajectories.batches import batch_names, runs_config
from srft_assets.trajectories.duplicates import ASSET, held_before
from srft_assets.trajectories.manifest import Item, Manifest, read_manifest, registered_ns
from srft_assets.trajectories.part import Reading, rows_of
from srft_assets.trajectories.roles import Role
from srft_assets.trajectories.scan import scan
from srft_assets.trajectories.schema import TRAJECTORIES
from srft_assets.trajectories.sources import SourceChangedError, verify
from srft_assets.trajectories.walk import walk
from srft_assets.warehouse.code import code_digest
from srft_assets.warehouse.stage import Made, Stage, Work

__all__ = ["Collector", "batch_names", "trajectories_stage"]

Collector = Callable[[Work, dict[str, Any]], Path]
"""Makes the raw runs of a batch from its settings; returns the folder of its `.traj.json`."""

REGISTERING = frozenset(
    {"batches", "drafts", "evidence", "hub", "ingest", "ingest_plan", "registration"}
    | {"helper", "roles", "scan", "scanned", "walk"}
)
"""Modules that decide what a manifest says, and only through it what a run looks like."""


def trajectories_stage(
    collectors: Mapping[str, Collector] = {}, collector_code: Mapping[str, str] | None = None
) -> Stage:
    """The stage; `collectors` by kind of batch.

    `collector_code`: kind → digest of the code that decides its runs; where it is not stated,
    of the package that the collector comes from. Only batches of that kind depend on it.
    """
    stated = dict(collector_code or {})
    digests = {kind: stated.get(kind) or _digest(made) for kind, made in collectors.items()}

    def config_of(home: Home, batch: str) -> dict[str, Any]:
        manifest = read_manifest(home, batch)
        config = runs_config(manifest)
        if manifest.kind in digests:
            config["collector"] = digests[manifest.kind]
        return config

    def make(work: Work) -> Made:
        return _make(work, collectors)

    return Stage(
        key=ASSET,
        partitioned_by="batch",
        upstream=(),
        schema=TRAJECTORIES,
        code={"readers": readers_digest()},
        make=make,
        config_of=config_of,
        description=(
            "Recorded runs of coding agents in one canonical form: the chat as it was, and on "
            "top of it the steps, one for each turn of the assistant with its actions and the "
            "observations that answer them."
        ),
        kinds=frozenset({"parquet", "json"}),
    )


def readers_digest() -> str:
    """Digest of the code that decides what a run looks like; registering is not part of it."""
    package = __name__.rpartition(".")[0]
    names = [module.name for module in iter_modules([str(Path(__file__).parent)])]
    return code_digest(*(f"{package}.{name}" for name in names if name not in REGISTERING))


def _digest(collector: Collector) -> str:
    module = getattr(collector, "__module__", "")
    return code_digest(module.rpartition(".")[0] or module) if "srft_assets" in module else ""


def _make(work: Work, collectors: Mapping[str, Collector]) -> Made:
    manifest = read_manifest(work.home, work.partition)
    refused = [one.refusal() for one in manifest.refused]
    if manifest.kind == "files":
        root, items = manifest.folder(), list(manifest.items)
        _check(manifest, root, registered_ns(work.home, work.partition))
    else:
        root = _collect(work, manifest, collectors)
        items = _collected(root, refused)
    held = held_before(work.home, work.warehouse, work.partition, work.recipe.code)
    shown = work.progress.track(items, f"reading {work.partition}", total=len(items))
    reading = Reading(root, work.partition, manifest.format)
    frame, refused_rows = rows_of(reading, items, shown, held)
    refused += refused_rows
    return Made(
        frame=frame,
        refused=refused,
        metadata={
            "runs": frame.height,
            "steps": int(frame["n_steps"].sum()),
            "refused": len(refused),
            "by format": json.dumps(dict(sorted(Counter(frame["format"]).items()))),
        },
    )


def _check(manifest: Manifest, root: Path, registered: int) -> None:
    """Every source must be the one that was ingested, or the partition stays as it is."""
    lost: list[str] = []
    for item in manifest.items:
        try:
            verify(root, item, registered)
        except SourceChangedError as error:
            lost.append(str(error))
    if lost:
        raise SourceChangedError(
            f"batch {manifest.batch}: {len(lost)} of {len(manifest.items)} sources are not as "
            f"they were ingested ({lost[0]}); the partition stays as it is. Restore them, or run: "
            f"srft ingest {root} --batch {manifest.family}"
        )


def _collect(work: Work, manifest: Manifest, collectors: Mapping[str, Collector]) -> Path:
    collector = collectors.get(manifest.kind)
    if collector is None:
        known = ", ".join(["files", *sorted(collectors)])
        raise SrftError(
            f"batch {manifest.batch} is of kind {manifest.kind!r}; this platform knows: {known}"
        )
    return collector(work, dict(manifest.settings))


def _collected(folder: Path, refused: list[Refusal]) -> list[Item]:
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
