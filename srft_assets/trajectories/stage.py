"""The asset `trajectories`: one batch of recorded runs, cut into steps."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.refusal import INTERNAL, Refusal
from srft_assets.trajectories.batches import Manifest, batch_names, read_manifest
from srft_assets.trajectories.discover import discover
from srft_assets.trajectories.roles import Role
from srft_assets.trajectories.runs import Rows, Runs, read_batch
from srft_assets.trajectories.schema import TRAJECTORIES
from srft_assets.trajectories.sources import SourceChangedError, open_source
from srft_assets.warehouse.code import source_digest
from srft_assets.warehouse.making import make_partition, work_alone
from srft_assets.warehouse.recipe import Code
from srft_assets.warehouse.stage import Made, Stage, Work

__all__ = ["Collector", "batch_names", "trajectories_stage"]

ASSET = "trajectories"
Collector = Callable[[Work, dict[str, Any]], Path]
"""Makes the raw runs of a batch from its settings; returns the folder of its `.traj.json`."""
VERSION = 2
"""Raised when the output changes; see tools/versions.py."""


def trajectories_stage(
    collectors: Mapping[str, Collector] = {}, collector_versions: Mapping[str, int] = {}
) -> Stage:
    """The stage; `collectors`, and versions of their output, by kind of batch.

    Only batches of a kind depend on the version of its collector.
    """
    code: Code = {"version": VERSION, "readers": source_digest("srft_assets.trajectories.formats")}

    def config_of(home: Home, batch: str) -> dict[str, Any]:
        manifest = read_manifest(home, batch)
        config = manifest.runs_config()
        if manifest.kind in collector_versions:
            config["collector version"] = collector_versions[manifest.kind]
        return config

    def make(work: Work) -> Made:
        return _make(work, collectors)

    return Stage(
        key=ASSET,
        partitioned_by="batch",
        upstream=(),
        schema=TRAJECTORIES,
        code=code,
        make=make,
        config_of=config_of,
        description=(
            "Recorded runs of coding agents in one canonical form: the chat as it was, and on "
            "top of it the steps, one for each turn of the assistant with its actions and the "
            "observations that answer them."
        ),
        kinds=frozenset({"parquet", "json"}),
    )


def write_partition(stage: Stage, home: Home, manifest: Manifest, rows: Rows) -> None:
    """Put the partition of a batch of files in place, whose rows were read as it was registered."""
    made = _made(manifest, rows)
    ready = replace(stage, make=lambda work: made)
    make_partition(ready, work_alone(ready, home, manifest.batch))


def _make(work: Work, collectors: Mapping[str, Collector]) -> Made:
    manifest = read_manifest(work.home, work.partition)
    if manifest.kind != "files":
        return _made(manifest, _collected(_collect(work, manifest, collectors), manifest))
    rows, lost = read_batch(manifest, work.progress)
    if lost:
        raise SourceChangedError(
            f"batch {manifest.batch}: {len(lost)} of {len(manifest.items)} sources are not as "
            f"they were ingested ({lost[0]}); the partition stays as it is. Restore them, or run: "
            f"srft ingest {manifest.root} --batch {manifest.family}"
        )
    return _made(manifest, rows)


def _made(manifest: Manifest, rows: Rows) -> Made:
    frame, of_rows = rows
    told = [*(one.refusal() for one in manifest.refused), *of_rows]
    internal = sum(one.reason.startswith(INTERNAL) for one in told)
    return Made(
        frame=frame,
        refused=told,
        metadata={
            "runs": frame.height,
            "steps": int(frame["n_steps"].sum()),
            "characters": int(frame["messages"].str.len_chars().sum()),
            "refused": len(told),
            **({"internal errors": internal} if internal else {}),
            "by format": json.dumps(dict(sorted(Counter(frame["format"]).items()))),
        },
    )


def _collect(work: Work, manifest: Manifest, collectors: Mapping[str, Collector]) -> Path:
    """Have the runs of a batch made; the folder of its `.traj.json`. Raises SrftError."""
    collector = collectors.get(manifest.kind)
    if collector is None:
        known = ", ".join(["files", *sorted(collectors)])
        raise SrftError(
            f"batch {manifest.batch} is of kind {manifest.kind!r}; this platform knows: {known}"
        )
    return collector(work, dict(manifest.settings))


def _collected(folder: Path, manifest: Manifest) -> Rows:
    """The runs that a collector left; files of another kind are its own affair."""
    runs = Runs(manifest.format)
    refused: list[Refusal] = []
    for found in discover([folder]).files:
        if not found.path.endswith(".traj.json"):
            continue
        with found.at.open("rb") as file:
            source = open_source(found, file)
            if source.ruling.role is not Role.RUNS:
                refused.append(Refusal(found.path, source.ruling.reason, excerpt=source.excerpt))
                continue
            for record in source.records:
                runs.add(found.path, record)
    frame, of_rows = runs.rows(manifest.batch)
    return frame, [*refused, *of_rows]
