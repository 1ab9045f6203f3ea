"""Runs to ingest, and the making of a partition without Dagster."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from srft_assets.home import Home
from srft_assets.trajectories.batches import Manifest, manifests, read_manifest
from srft_assets.trajectories.ingest import IngestPlan, ingest
from srft_assets.trajectories.stage import Collector, trajectories_stage
from srft_assets.warehouse.making import make_partition, recipe_of, work_alone
from srft_assets.warehouse.partitions import Stamp, Warehouse


def make(
    home: Home, batch: str, collectors: Mapping[str, Collector] = {}
) -> tuple[pl.DataFrame, Stamp]:
    """Make the partition as the engine does; its rows and its stamp."""
    stage = trajectories_stage(collectors)
    made, stamp = make_partition(stage, work_alone(stage, home, batch, run_id="test"))
    return made.frame, stamp


def fingerprint(home: Home, batch: str) -> str:
    """Of what the partition would be made from now."""
    return recipe_of(trajectories_stage(), home, Warehouse(home.warehouse), batch).fingerprint


def run_of(name: str, turns: int = 2) -> dict[str, Any]:
    """A row as SWE-smith-trajectories holds it."""
    turn = [
        {"role": "assistant", "content": f"Look.\n<function=bash>\n<parameter=command>ls {name}"},
        {"role": "user", "content": "OBSERVATION:\na.py"},
    ]
    return {
        "instance_id": name,
        "messages": [
            {"role": "system", "content": "You are an agent."},
            {"role": "user", "content": f"Fix {name}."},
            *(turn * turns),
        ],
    }


def write_lines(path: Path, rows: Iterable[Any]) -> Path:
    """The rows as JSON Lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


def write_runs(folder: Path, names: Iterable[str]) -> Path:
    """One run a file."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / f"{name}.json").write_text(json.dumps(run_of(name)))
    return folder


def put(path: Path, content: object) -> Path:
    """A file of bytes, of text, or of a value as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def ingested(home: Home, folder: Path) -> tuple[IngestPlan, Manifest]:
    """Ingest a folder as the batch `b`."""
    plan = ingest(home, [folder], batch="b")
    return plan, read_manifest(home, "b")


def content(home: Home) -> dict[str, Manifest]:
    """What every batch is made from, in the order of registration."""
    return {one.batch: one for one in manifests(home)}


def places(home: Home) -> dict[str, str]:
    """Run file, or file and rows → batch."""
    return {item.label: one.batch for one in manifests(home) for item in one.items}


def refused_lines(plan: IngestPlan) -> list[str]:
    """What an ingest says of the files that it refused."""
    return [refusal.line() for refusal in plan.refusals]
