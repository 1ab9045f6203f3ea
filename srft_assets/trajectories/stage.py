"""The asset `trajectories`: one batch of recorded runs, cut into steps."""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from srft_assets.home import Home
from srft_assets.trajectories.batches import batch_names, runs_config
from srft_assets.trajectories.collecting import Collector, collect, collected
from srft_assets.trajectories.manifest import Manifest, read_manifest, registered_ns
from srft_assets.trajectories.rows import Reading, read, reading_of
from srft_assets.trajectories.schema import TRAJECTORIES
from srft_assets.trajectories.sources import SourceChangedError, verify
from srft_assets.warehouse.code import source_digest
from srft_assets.warehouse.recipe import Code
from srft_assets.warehouse.stage import Made, Stage, Work

__all__ = ["Collector", "batch_names", "trajectories_stage"]

ASSET = "trajectories"
VERSION = 1
"""Raised when the output changes; see tools/versions.py."""


def trajectories_stage(
    collectors: Mapping[str, Collector] = {}, collector_versions: Mapping[str, int] = {}
) -> Stage:
    """The stage; `collectors`, and versions of their output, by kind of batch.

    Only batches of a kind depend on the version of its collector.
    """
    code: Code = {"version": VERSION, "readers": source_digest("srft_assets.trajectories.readers")}

    def config_of(home: Home, batch: str) -> dict[str, Any]:
        manifest = read_manifest(home, batch)
        config = runs_config(manifest)
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


def _make(work: Work, collectors: Mapping[str, Collector]) -> Made:
    manifest = read_manifest(work.home, work.partition)
    refused = [one.refusal() for one in manifest.refused]
    if manifest.kind == "files":
        reading = reading_of(manifest)
    else:
        root = collect(work, manifest, collectors)
        items = tuple(collected(root, refused))
        reading = Reading(root, work.partition, manifest.format, items)
    try:
        frame, refused_rows = read(reading, work.progress)
    except OSError:
        _check(manifest, reading.root, 0)
        raise
    if manifest.kind == "files":  # an agent that is still at work may have written meanwhile
        _check(manifest, reading.root, registered_ns(work.home, work.partition))
    refused += refused_rows
    return Made(
        frame=frame,
        refused=refused,
        metadata={
            "runs": frame.height,
            "steps": int(frame["n_steps"].sum()),
            "characters": int(frame["messages"].str.len_chars().sum()),
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
