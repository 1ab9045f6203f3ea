"""Grading by the grader that was chosen for a batch."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.metadata import version as installed
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from srft_assets.errors import SrftError, UsageError
from srft_assets.home import Home
from srft_assets.outcomes.choice import (
    Grading,
    grading_config,
    grading_path,
    read_grading,
    wanted_tasks,
)
from srft_assets.outcomes.matching import Run
from srft_assets.outcomes.model import Status, TestOutcome
from srft_assets.outcomes.task import TaskInstance
from srft_assets.plugins import GRADERS, plugin, plugins
from srft_assets.refusal import Refusal
from srft_assets.warehouse.recipe import digest
from srft_assets.warehouse.stage import Work

Grade: TypeAlias = Callable[
    [Sequence[Run], Mapping[str, TaskInstance], Grading, Work], dict[str, TestOutcome]
]
"""Trajectory id → outcome, one for every run. Each run states a submission, which may be blank,
and has a row among the tasks. The machine's failures are `infra_error`, never raised; raises
SrftError only where nothing at all can be graded (no Docker daemon, no sandbox)."""


def chosen_config(home: Home, batch: str) -> dict[str, Any]:
    """What of the choice, its rows and the grader's version decides the batch's outcomes."""
    config = grading_config(home, batch)
    if not config:
        return {}
    grader = plugins(GRADERS).get(config["grading grader"])
    if grader is None:
        return {**config, "grader version": "not installed"}
    if grader.name == "swebench":
        beside = {"grading harness": installed("swebench")}
    else:
        beside = {"grading tables": _tables(grader.module)}
    return {**config, **beside, "grader version": import_module(grader.module).VERSION}


def _tables(package: str) -> str:
    """Digest of the YAML files of a grader's package."""
    spec = find_spec(package)
    folders = spec.submodule_search_locations if spec else None
    found = sorted(path for folder in folders or () for path in Path(folder).rglob("*.yaml"))
    read = {path.name: yaml.safe_load(path.read_text(encoding="utf-8")) for path in found}
    return digest(read)[:16]


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
    outcomes = _grader(work, grading)(ours, tasks, grading, work) if ours else {}
    refused = []
    for run in stated:
        if run.instance_id not in tasks:
            reason = f"not graded: no row {run.instance_id} in {grading.dataset}"
            refused.append(Refusal(run.source, reason, run.source_row, run.trajectory_id))
            outcomes[run.trajectory_id] = TestOutcome(
                run.trajectory_id, run.instance_id, Status.UNKNOWN, reason=reason
            )
    return outcomes, refused


def _grader(work: Work, grading: Grading) -> Grade:
    try:
        found: Grade = plugin(GRADERS, grading.grader).load()
    except UsageError as error:
        raise SrftError(f"{grading_path(work.home, work.partition)}: {error}") from None
    return found
