"""The rows that `evaluation:` of an arm names: read, chosen, known by their content, and which of
them the arm knows from its training."""

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import polars as pl

from srft_assets.agent.play import INSTANCE_ID
from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.outcomes.grader_choice import known_rows
from srft_assets.outcomes.task import (
    Seen,
    TaskInstance,
    files_seen,
    is_local,
    read_dataset,
    rows_digest,
    write_tasks,
)
from srft_assets.project.folder import current_project
from srft_assets.tokens.arm import ArmSpec
from srft_assets.tokens.evaluation import EvaluationSpec
from srft_assets.tokens.run_choice import NO_TASK, holds
from srft_assets.training.rows import held_out_tasks
from srft_assets.warehouse.partitions import Warehouse
from srft_assets.warehouse.stage import Work

UNSEEN = frozenset({"files", "patch", "test_patch"})
"""Cells of a row that `where` cannot name."""


def task_set(spec: EvaluationSpec, home: Home) -> list[TaskInstance]:
    """The chosen rows, in their order. Raises SrftError in one line that names the setting."""
    source = source_of(spec, home)
    rows = choose(list(read_dataset(source, None, spec.split).values()), spec)
    if spec.where_played == "sandbox" and (bare := [row for row in rows if not row.files]):
        raise SrftError(
            f"evaluation.environment sandbox: {bare[0].instance_id} bears no `files`: state sdist, "
            "or docker"
        )
    return rows


def task_set_digest(spec: EvaluationSpec, home: Home) -> str:
    """16 hex digits over the content of the chosen rows. Raises SrftError as `task_set`."""
    seen = files_seen(source_of(spec, home), spec.split)
    return _digest(spec.model_dump_json(exclude_unset=True), home, seen)


@lru_cache(maxsize=256)
def _digest(spec: str, home: Home, seen: Seen) -> str:
    """`seen` is there for the cache: other files at the same place are another question."""
    return rows_digest(task_set(EvaluationSpec.model_validate_json(spec), home))


def is_here(spec: EvaluationSpec, home: Home) -> bool:
    """Whether the rows lie on this machine."""
    return _beside(spec) is not None or _copy_of(spec, home).exists()


def _beside(spec: EvaluationSpec) -> str | None:
    """The file or folder that `tasks` names, where it does."""
    path = str(current_project().root / Path(str(spec.tasks)).expanduser())
    return path if is_local(path) else None


def _copy_of(spec: EvaluationSpec, home: Home) -> Path:
    """Where a data set of the hub is kept."""
    named = hashlib.sha256(f"{spec.tasks} {spec.split}".encode()).hexdigest()[:16]
    return home.artifacts / "tasks" / f"{named}.jsonl"


def source_of(spec: EvaluationSpec, home: Home) -> str:
    """Where the rows lie on this machine; a data set of the hub is fetched once, and stays as it
    was then. A path is relative to the project.

    Raises SrftError where there is none, or where the hub cannot be reached.
    """
    if beside := _beside(spec):
        return beside
    copy = _copy_of(spec, home)
    if not copy.exists():
        write_tasks(copy, read_dataset(str(spec.tasks), None, spec.split).values())
    return str(copy)


def choose(rows: Sequence[TaskInstance], spec: EvaluationSpec) -> list[TaskInstance]:
    """Of the rows those that the settings name. Raises SrftError where one is not there, for a
    wrong `where`, for an id that is no name, and where none is left."""
    known = {row.instance_id: row for row in rows}
    if absent := [name for name in spec.instances if name not in known]:
        more = f" and {len(absent) - 1} more" if absent[1:] else ""
        raise SrftError(f"evaluation.instances: {spec.tasks} has no {absent[0]}{more}")
    found = [known[name] for name in dict.fromkeys(spec.instances)] or list(rows)
    if spec.where is not None:
        cells = pl.DataFrame([_cells(row) for row in found], infer_schema_length=None)
        try:
            fitting = holds(spec.where, cells, "instance_id")
        except SrftError as error:
            raise SrftError(f"evaluation.{error}") from None
        found = [row for row in found if row.instance_id in fitting]
    found = found[: spec.first]
    if not found:
        raise SrftError(f"evaluation.tasks: of {spec.tasks} no row is left to play")
    if bad := [row.instance_id for row in found if not INSTANCE_ID.fullmatch(row.instance_id)]:
        raise SrftError(f"{spec.tasks}: instance id is no file name: {bad[0][:80]!r}")
    return found


def _cells(row: TaskInstance) -> dict[str, object]:
    cells = row.model_dump(mode="json", by_alias=True, exclude=set(UNSEEN))
    return {
        name: value
        for name, value in cells.items()
        if isinstance(value, str | int | float)
        or (isinstance(value, list) and all(isinstance(each, str) for each in value))
    }


def trained_on(arm: str, seed: str, warehouse: Warehouse) -> frozenset[str] | None:
    """Instance ids of the runs whose tokens with loss `checkpoints/<arm>/<seed>` comes from.

    They are read from the masked tokens that its stamp names. Those that `validation` held out
    count, too: their loss is looked at. Of another arm that was scored they do where that decided
    which weights were kept, or when the training ended. None where some of these tokens are gone:
    then nobody knows. Runs of no known task tell nothing.
    """
    stamp = warehouse.stamp(f"checkpoints/{arm}", seed)
    if stamp is None:
        return None
    config = stamp.recipe.config
    held_out = config.get("validation") or {}
    decides = held_out.get("keep") == "best" or held_out.get("patience")
    tokens, scored = f"masked_tokens/{arm}", f"masked_tokens/{held_out.get('arm') or arm}"
    found: dict[str, set[str]] = {asset: set() for asset in [tokens, *([scored] * bool(decides))]}
    for key in stamp.recipe.inputs:
        asset, _, batch = key.rpartition("/")
        if asset not in found:
            continue
        if warehouse.stamp(asset, batch) is None:
            return None
        rows = warehouse.read(asset, batch, columns=["instance_id", "n_trained", "n_tokens"])
        if asset != tokens:
            rows = rows.filter(pl.col("n_tokens") <= config["max_length"])
        found[asset].update(rows.filter(pl.col("n_trained") > 0)["instance_id"].drop_nulls())
    others = held_out_tasks(found[scored], held_out["tasks"]) if decides else []
    return frozenset({*found[tokens], *others} - {NO_TASK})


def contaminated(
    arm: ArmSpec, tasks: Sequence[TaskInstance], trained: frozenset[str] | None, work: Work
) -> frozenset[str] | None:
    """Ids of the tasks that the arm was trained on, or on another of the same repository and
    commit: by the rows of the data set itself, and by those that batches were played from or graded
    by. None where nobody knows what it was trained on."""
    if trained is None or not arm.evaluation.of_rows:
        return trained
    source = source_of(arm.evaluation, work.home)
    rows = list(read_dataset(source, trained, arm.evaluation.split).values())
    stamp = work.warehouse.stamp(f"checkpoints/{arm.name}", work.partition)
    for key in stamp.recipe.inputs if stamp else ():
        asset, _, batch = key.rpartition("/")
        if asset == f"masked_tokens/{arm.name}":
            rows += known_rows(work.home, batch).values()
    seen = {(row.repo, row.base_commit) for row in rows if row.instance_id in trained}
    return frozenset(
        task.instance_id
        for task in tasks
        if task.instance_id in trained or (task.repo, task.base_commit) in seen
    )
