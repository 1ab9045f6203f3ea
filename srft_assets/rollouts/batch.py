"""A batch of rollouts: how it is registered, which tasks it holds, and what came of its runs."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from srft_assets.agent.play import INSTANCE_ID, missing, plays_of, read_info
from srft_assets.errors import SrftError, UsageError
from srft_assets.home import Home
from srft_assets.lab.tasks import generate_tasks
from srft_assets.outcomes.grader_choice import Grading, write_grading
from srft_assets.outcomes.status import SWEBENCH, Status
from srft_assets.outcomes.task import TaskInstance, read_dataset, rows_digest, write_tasks
from srft_assets.plugins import ENVIRONMENTS, need, plugin
from srft_assets.project.settings import settings
from srft_assets.rollouts.checkpoint import ADAPTER, adapter_base, adapter_rank
from srft_assets.rollouts.settings import (
    KIND,
    LabTasks,
    LocalModel,
    RolloutSettings,
    parse_settings,
)
from srft_assets.serving import VLLM
from srft_assets.tokens.evaluation import GRADERS
from srft_assets.training.model import base_digest
from srft_assets.trajectories.batches import batch_names, read_manifest, write_batch
from srft_assets.warehouse.partitions import Warehouse, check_partition_name

CHECKPOINT = re.compile(r"checkpoint:([A-Za-z0-9_.-]+)/(\d+)")
LAB = re.compile(r"lab:(-?\d+):(\d+)")
VLLM_RANK = 16
"""Of an adapter that vLLM takes unasked."""
NOT_BEGUN = "(could not begin)"


def register(
    home: Home,
    batch: str,
    tasks: str,
    model: str,
    *,
    instances: Sequence[str] = (),
    first: int | None = None,
    split: str = "test",
    asking: Mapping[str, Any] | None = None,
    **stated: Any,
) -> RolloutSettings:
    """Register the batch; what of it was played already stays, what crashed is tried again.

    Args:
        tasks: `lab:SEED:COUNT`, or a data set as `read_dataset` takes it.
        model: see `model_named`.
        instances: of the rows these only; empty: all, or the `first` so many.
        asking: further fields of a model that is asked over HTTP.
        stated: further fields of `RolloutSettings`.

    Raises UsageError for what cannot be understood, SrftError for what cannot be had.
    """
    check_partition_name(batch)
    rows: list[TaskInstance] = []
    if lab := LAB.fullmatch(tasks):
        chosen: dict[str, Any] = {"kind": "lab", "seed": int(lab[1]), "count": int(lab[2])}
        environment = "sandbox"
    else:
        rows = _rows(tasks, instances, first, split)
        digest = rows_digest(rows)
        chosen = {"kind": "rows", "source": tasks, "count": len(rows), "rows": digest}
        environment = stated.pop("environment", None) or "docker"
        if environment == "sdist":
            plugin(ENVIRONMENTS, environment)
    given = {name: value for name, value in stated.items() if value is not None}
    asked = model_named(home, model, dict(asking or {}))
    defaults = {"prompts": "short" if lab or asked["kind"] == "local" else "swebench"}
    settings = parse_settings(
        {**defaults, "environment": environment, **given, "tasks": chosen, "model": asked}, batch
    )
    settings = settings.model_copy(update={"again": _tries(home, batch, settings, rows)})
    write_batch(home, batch, KIND, settings.model_dump(mode="json"))
    if rows:
        _write_rows(home, batch, rows, settings.environment)
    return settings


def _tries(home: Home, batch: str, settings: RolloutSettings, rows: Sequence[TaskInstance]) -> int:
    """One more than before where runs of the batch that was made so crashed.

    The rows are those named now, and not the batch's copy: that may be lost, or be of another
    registration that was killed, and is mended by this one.
    """
    if batch not in batch_names(home):
        return 0
    known = read_manifest(home, batch)
    if known.kind != KIND:
        return 0
    before = parse_settings(dict(known.settings), batch)
    if before.identity != settings.identity:
        return 0
    made = Warehouse(home.warehouse).stamp("trajectories", batch) is not None
    tasks = rows or tasks_of(home, batch, before)
    plays = plays_of(tasks, before.attempts) if made else []
    return before.again + bool(missing(home.runs / batch / before.identity, plays))


def _rows(
    source: str, instances: Sequence[str], first: int | None, split: str
) -> list[TaskInstance]:
    found = read_dataset(source, instances or None, split)
    if absent := [name for name in instances if name not in found]:
        raise UsageError(f"{source} has no instance {absent[0]}")
    rows = [found[name] for name in instances] if instances else list(found.values())[:first]
    if not rows:
        raise UsageError(f"{source} holds no instance")
    if bad := [row.instance_id for row in rows if not INSTANCE_ID.fullmatch(row.instance_id)]:
        raise UsageError(f"{source}: instance id is no file name: {bad[0][:80]!r}")
    return rows


def _write_rows(home: Home, batch: str, rows: Sequence[TaskInstance], environment: str) -> None:
    """Keep the rows beside the runs, and let them be graded by what fits where they were played."""
    path = instances_path(home, batch)
    write_tasks(path, rows)
    write_grading(
        home, batch, Grading(grader=GRADERS.get(environment, SWEBENCH), dataset=str(path))
    )


def model_named(home: Home, stated: str, asking: dict[str, Any]) -> dict[str, Any]:
    """A model as people name it on a command line, as `RolloutSettings.model`.

    `checkpoint:ARM/SEED`, `local:FOLDER`, `vllm:MODEL` (a folder, a hub id, or one of the two
    before), or the name that a server gives it. `asking` are further fields of one that is asked
    over HTTP.

    Raises UsageError for a name that cannot be understood, of what is not there, or for a model in
    this process where the extra `train` is not installed.
    """
    if stated.startswith("vllm:"):
        return _served(home, stated.removeprefix("vllm:"), asking)
    folder = _folder(home, stated)
    if folder is None:
        return {"kind": "endpoint", "name": stated, **asking}
    if asking:
        raise UsageError(f"{next(iter(asking))} is for a model that a server gives, not a folder")
    need("train")
    label = folder.name if stated.startswith("local:") else stated.partition(":")[2]
    inside = folder.is_relative_to(home.root)
    path = folder.relative_to(home.root) if inside else Path(os.path.normpath(folder))
    local = LocalModel(label=label, path=path, weights=base_digest(folder))
    return local.model_dump(mode="json")


def _served(home: Home, stated: str, asking: dict[str, Any]) -> dict[str, Any]:
    """A vLLM of ours; a checkpoint that is an adapter is served on its base model."""
    folder = _folder(home, stated)
    model, adapter = (str(folder), None) if folder else (stated, None)
    if folder and (folder / ADAPTER).exists():
        model, adapter = adapter_base(folder), folder
    server: dict[str, Any] = {
        "model": model,
        "command": list(settings().vllm.command or VLLM),
        "extra_args": list(settings().vllm.args),
    }
    if Path(model).is_dir():
        asking = {**asking, "weights": base_digest(Path(model))}
    label = stated.rpartition(":")[2]
    if adapter is None:
        server["served_model_name"] = label
        return {"kind": "vllm", "server": server, **asking}
    server["lora_modules"] = {label: str(adapter)}
    if (rank := adapter_rank(adapter)) > VLLM_RANK:
        server["extra_args"] += ["--max-lora-rank", str(rank)]
    name = {"name": label, "adapter_digest": base_digest(adapter)}
    return {"kind": "vllm", "server": server, **name, **asking}


def _folder(home: Home, stated: str) -> Path | None:
    """The folder of `checkpoint:ARM/SEED` or `local:FOLDER`; None for any other name."""
    if found := CHECKPOINT.fullmatch(stated):
        asset, seed = f"checkpoints/{found[1]}", found[2]
        warehouse = Warehouse(home.warehouse)
        if warehouse.stamp(asset, seed) is None:
            raise UsageError(f"no {asset} of seed {seed}: srft apply {asset} --seed {seed}")
        folder = home.root / warehouse.read(asset, seed)["path"][0]
    elif stated.startswith("local:"):
        folder = Path(stated.removeprefix("local:")).expanduser().absolute()
    elif stated.startswith("checkpoint:"):
        raise UsageError(f"{stated!r}: a checkpoint is named checkpoint:ARM/SEED")
    else:
        return None
    if not folder.is_dir():
        raise UsageError(f"{stated}: there is no folder {folder}")
    return folder


def instances_path(home: Home, batch: str) -> Path:
    """The rows of a data set that the batch plays."""
    return home.runs / batch / "instances.jsonl"


def tasks_of(home: Home, batch: str, settings: RolloutSettings) -> list[TaskInstance]:
    """The tasks. Raises SrftError where the copied rows are gone or not those registered."""
    if isinstance(settings.tasks, LabTasks):
        return generate_tasks(settings.tasks.count, settings.tasks.seed)
    path = instances_path(home, batch)
    tasks = list(read_dataset(str(path), None).values()) if path.exists() else []
    if rows_digest(tasks) != settings.tasks.rows:
        raise SrftError(f"{path} is not as it was registered: register batch {batch} again")
    return tasks


@dataclass(frozen=True, slots=True)
class Summary:
    """Runs of a batch that ended alike; steps and USD are means of a run."""

    exit_status: str
    runs: int
    resolved: int
    steps: float
    cost: float


def summary_of(home: Home, batch: str) -> list[Summary]:
    """One line an exit status, the most frequent first. Raises SrftError for another batch."""
    settings = parse_settings(dict(read_manifest(home, batch).settings), batch)
    out = home.runs / batch / settings.identity
    rows = []
    for play in plays_of(tasks_of(home, batch, settings), settings.attempts):
        info = read_info(play.path(out))
        stats = info.get("model_stats") or {}
        ended = str(info.get("exit_status") or NOT_BEGUN)
        calls, cost = stats.get("api_calls") or 0, stats.get("instance_cost") or 0.0
        rows.append({"ended": ended, "steps": float(calls), "cost": float(cost)})
    solved = _resolved(home, batch)
    grouped = (
        pl.DataFrame(rows)
        .group_by("ended")
        .agg(pl.len(), pl.col("steps", "cost").mean())
        .sort(["len", "ended"], descending=[True, False])
    )
    return [
        Summary(row["ended"], row["len"], solved.get(row["ended"], 0), row["steps"], row["cost"])
        for row in grouped.iter_rows(named=True)
    ]


def any_run(home: Home, batch: str) -> str:
    """Id of the batch's first run; empty where it holds none."""
    names = Warehouse(home.warehouse).read("trajectories", batch, columns=["trajectory_id"])
    return str(names["trajectory_id"][0]) if names.height else ""


def _resolved(home: Home, batch: str) -> dict[str, int]:
    """Exit status → resolved runs."""
    warehouse = Warehouse(home.warehouse)
    runs = warehouse.read("trajectories", batch, columns=["trajectory_id", "exit_status"])
    outcomes = warehouse.read("test_outcomes", batch, columns=["trajectory_id", "status"])
    good = runs.join(outcomes.filter(pl.col("status") == Status.RESOLVED.value), on="trajectory_id")
    return dict(good.group_by("exit_status").len().iter_rows())
