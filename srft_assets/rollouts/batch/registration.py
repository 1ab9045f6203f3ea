"""Registering a batch of rollouts: what people write on a command line, as settings."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from srft_assets.agent.play import INSTANCE_ID
from srft_assets.errors import UsageError
from srft_assets.home import Home
from srft_assets.outcomes.choice import Grading, write_grading
from srft_assets.outcomes.dataset import read_dataset, rows_digest
from srft_assets.outcomes.task import TaskInstance
from srft_assets.plugins import ENVIRONMENTS, plugin
from srft_assets.rollouts.batch.folder import instances_path, places_of, tasks_of
from srft_assets.rollouts.batch.model_names import model_named
from srft_assets.rollouts.batch.playing import missing
from srft_assets.rollouts.batch.settings import KIND, RolloutSettings, parse_settings
from srft_assets.trajectories.batches import batch_names, read_manifest, write_batch
from srft_assets.warehouse.placing import place
from srft_assets.warehouse.store import Warehouse, check_partition_name

LAB = re.compile(r"lab:(-?\d+):(\d+)")
GRADERS = {"docker": "swebench", "sdist": "local"}


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
        model: see `model_names`.
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
        if environment != "docker":
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
    places = places_of(tasks, before.attempts) if made else []
    return before.again + bool(missing(home.runs / batch / before.identity, places))


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
    lines = [orjson.dumps(row.model_dump(mode="json", by_alias=True)) + b"\n" for row in rows]
    path = instances_path(home, batch)
    place(path, b"".join(lines))
    write_grading(home, batch, Grading(grader=GRADERS[environment], dataset=str(path)))
