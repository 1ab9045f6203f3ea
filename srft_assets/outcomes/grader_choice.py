"""Who grades a batch: `<home.runs>/<batch>/grading.json`, and grading by that choice."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.metadata import version as installed
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias

import orjson
import yaml
from pydantic import BaseModel, Field, ValidationError

from srft_assets.errors import Refusal, SrftError, UsageError, first_problem
from srft_assets.files import place
from srft_assets.home import Home
from srft_assets.outcomes.status import Run, Status, TestOutcome
from srft_assets.outcomes.task import (
    TaskInstance,
    dataset_digest,
    is_local,
    read_dataset,
    write_tasks,
)
from srft_assets.plugins import GRADERS, plugin, plugins
from srft_assets.warehouse.partitions import Warehouse, check_partition_name
from srft_assets.warehouse.recipe import digest
from srft_assets.warehouse.stage import Work

NOT_DECIDING = {"dataset", "workers", "attempts", "sources"}
"""Settings that say where and how fast, not what: of `dataset` the rows' content counts."""


class GradingLimits(BaseModel, frozen=True, extra="forbid"):
    """Bounds of a grading."""

    workers: int = Field(default=2, ge=1, le=256)
    """Instances graded at once."""
    timeout: int = Field(default=1800, ge=1)
    """Seconds that the tests of one instance may take."""
    network: bool = False
    """Whether the tests may reach the network."""
    sys_admin: bool = False
    """Whether containers get SYS_ADMIN: the browsers of some JavaScript projects want it."""
    modal: bool = False
    """Whether the SWE-bench harness runs on Modal instead of in Docker here."""
    memory_gb: float = Field(default=8, gt=0)
    """Most memory of one instance, in GB."""
    attempts: int = Field(default=3, ge=1, le=10)
    """How often an instance is tried whose grading fails for the machine's reasons."""
    sources: str | None = None
    """Folder of local git mirrors, for `local`."""


class Grading(GradingLimits, frozen=True):
    """How the runs of one batch are graded, where the platform holds no tasks of its own."""

    grader: str = "reports"
    """`reports` found beside the runs, or a grader that is installed (`srft.graders`):
    `swebench`, its harness in Docker; `local` of srft-sdists, an approximation in bubblewrap."""
    dataset: str = ""
    """Where the instances are; see `read_dataset`."""
    split: str = "test"
    asked_again: int = Field(default=0, ge=0)
    """How often the same was asked for once more, because the machine had failed."""


Grade: TypeAlias = Callable[
    [Sequence[Run], Mapping[str, TaskInstance], Grading, Work], dict[str, TestOutcome]
]
"""Trajectory id → outcome, one for every run. Each run states a submission, which may be blank,
and has a row among the tasks. The machine's failures are `infra_error`, never raised; raises
SrftError only where nothing at all can be graded (no Docker daemon, no sandbox)."""


def grading_path(home: Home, batch: str) -> Path:
    """`<home.runs>/<batch>/grading.json`; raises UsageError for an unsafe name."""
    return home.runs / check_partition_name(batch) / "grading.json"


def copied_dataset(home: Home, batch: str) -> Path:
    """The wanted rows of a data set that is not on this machine, as `copy_dataset` left them."""
    return grading_path(home, batch).with_name("dataset.jsonl")


def read_grading(home: Home, batch: str) -> Grading:
    """The choice for a batch, by default `reports`. Raises SrftError for a damaged file."""
    path = grading_path(home, batch)
    if not path.exists():
        return Grading()
    try:
        return Grading.model_validate_json(path.read_bytes())
    except ValidationError as error:
        said = first_problem(error)
        raise SrftError(f"{path}: {said}; choose again with srft grade {batch}") from None


def write_grading(home: Home, batch: str, grading: Grading) -> None:
    """Put the choice in place."""
    content = orjson.dumps(grading.model_dump(), option=orjson.OPT_INDENT_2) + b"\n"
    place(grading_path(home, batch), content)


def copy_dataset(home: Home, batch: str, grading: Grading) -> None:
    """Fetch the wanted rows of a data set on the hub, so that plans and grading need no network.

    Raises SrftError where the hub cannot be reached.
    """
    rows = read_dataset(grading.dataset, wanted_ids(home, batch), grading.split)
    write_tasks(copied_dataset(home, batch), rows.values())


def wanted_tasks(home: Home, batch: str, grading: Grading) -> dict[str, TaskInstance]:
    """Instance id → row, for the runs of the batch. Raises SrftError; see `read_dataset`."""
    return read_dataset(_source(home, batch, grading), wanted_ids(home, batch), grading.split)


def known_rows(home: Home, batch: str) -> dict[str, TaskInstance]:
    """As `wanted_tasks`, of the data set that was chosen for the batch; empty where there is none,
    or none that can be read now."""
    try:
        grading = read_grading(home, batch)
        return wanted_tasks(home, batch, grading) if grading.dataset else {}
    except SrftError:
        return {}


def wanted_ids(home: Home, batch: str) -> set[str]:
    """The instances of the batch's runs; empty where `trajectories` was not made yet."""
    warehouse = Warehouse(home.warehouse)
    if warehouse.stamp("trajectories", batch) is None:
        return set()
    return set(warehouse.read("trajectories", batch, columns=["instance_id"])["instance_id"])


def deciding(grading: Grading) -> dict[str, Any]:
    """The settings that decide outcomes, besides the rows, as recipes name them."""
    return {f"grading {k}": v for k, v in grading.model_dump(exclude=NOT_DECIDING).items()}


def chosen_config(home: Home, batch: str) -> dict[str, Any]:
    """What of the choice decides outcomes: settings, content of the wanted rows, the grader.

    Rows that cannot be read stand as the reason: a plan goes on, making the batch fails.
    """
    grading = read_grading(home, batch)
    if grading.grader == "reports":
        return {}
    try:
        source = _source(home, batch, grading)
        rows = dataset_digest(source, wanted_ids(home, batch), grading.split)
    except SrftError as error:
        rows = f"cannot be read: {error}"
    return deciding(grading) | {"grading rows": rows} | code_of(grading.grader)


def code_of(grader: str) -> dict[str, Any]:
    """What of an installed grader decides outcomes."""
    found = plugins(GRADERS).get(grader)
    if found is None:
        return {"grader version": "not installed"}
    if found.name == "swebench":
        config = {"grading harness": installed("swebench")}
    else:
        config = {"grading tables": _tables(found.module)}
    return config | {"grader version": import_module(found.module).VERSION}


def _tables(package: str) -> str:
    """Digest of the YAML files of a grader's package."""
    spec = find_spec(package)
    folders = spec.submodule_search_locations if spec else None
    found = sorted(path for folder in folders or () for path in Path(folder).rglob("*.yaml"))
    read = {path.name: yaml.safe_load(path.read_text(encoding="utf-8")) for path in found}
    return digest(read)[:16]


def check_grader(grading: Grading, tasks: Mapping[str, TaskInstance]) -> None:
    """Raises SrftError where the grader can grade none of the tasks on this machine now."""
    found = plugins(GRADERS).get(grading.grader)
    check = getattr(import_module(found.module), "preconditions", None) if found else None
    if check is not None:
        check(tasks, grading)


def grade_chosen(
    work: Work, runs: Sequence[Run]
) -> tuple[dict[str, TestOutcome], Sequence[Refusal]]:
    """Outcomes by trajectory id, of the runs that hold a patch; empty for the grader `reports`.

    A run that the data set has no row for is `unknown` and refused.
    """
    grading = read_grading(work.home, work.partition)
    if grading.grader == "reports":
        return {}, ()
    tasks = wanted_tasks(work.home, work.partition, grading)
    stated = [run for run in runs if run.submission is not None]
    ours = [run for run in stated if run.instance_id in tasks]
    work.log.info("%d runs are graded by %s", len(ours), grading.grader)
    outcomes: dict[str, TestOutcome] = {}
    if ours:
        try:
            outcomes = grade_by(grading, ours, tasks, work)
        except UsageError as error:
            raise SrftError(f"{grading_path(work.home, work.partition)}: {error}") from None
    refused = []
    for run in stated:
        if run.instance_id not in tasks:
            reason = f"not graded: no row {run.instance_id} in {grading.dataset}"
            refused.append(Refusal(run.source, reason, run.source_row, run.trajectory_id))
            outcomes[run.trajectory_id] = TestOutcome(
                run.trajectory_id, run.instance_id, Status.UNKNOWN, reason=reason
            )
    return outcomes, refused


def grade_by(
    grading: Grading, runs: Sequence[Run], tasks: Mapping[str, TaskInstance], work: Work
) -> dict[str, TestOutcome]:
    """Outcome by trajectory id; see `Grade`. Raises UsageError where the grader is not there."""
    grade: Grade = plugin(GRADERS, grading.grader).load()
    return grade(runs, tasks, grading, work)


def _source(home: Home, batch: str, grading: Grading) -> str:
    copy = copied_dataset(home, batch)
    if is_local(grading.dataset):
        return grading.dataset
    if copy.exists():
        return str(copy)
    raise SrftError(
        f"batch {batch}: the data set {grading.dataset!r} is not on this machine; state it "
        f"again: srft grade {batch} --grader {grading.grader} --dataset FILE_OR_ID"
    )
