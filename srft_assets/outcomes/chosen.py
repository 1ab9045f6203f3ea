"""Grading by the grader that was chosen for a batch."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.metadata import version as installed
from importlib.resources import files
from typing import Any, TypeAlias

import yaml

from srft_assets.errors import SrftError
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
from srft_assets.refusal import Refusal
from srft_assets.warehouse.recipe import digest
from srft_assets.warehouse.stage import Work

Grade: TypeAlias = Callable[
    [Sequence[Run], Mapping[str, TaskInstance], Grading, Work], dict[str, TestOutcome]
]
"""Trajectory id → outcome, one for every run. Each run states a submission, which may be blank,
and has a row among the tasks. The machine's failures are `infra_error`, never raised; raises
SrftError only where nothing at all can be graded (no Docker daemon, no sandbox)."""

GRADERS = {"swebench": "srft_assets.outcomes.harness", "local": "srft_assets.outcomes.sdists"}
"""Packages that hold a `grade`; imported when a batch names them."""


def chosen_config(home: Home, batch: str) -> dict[str, Any]:
    """What of the choice, its rows and the grader's version decides the batch's outcomes."""
    config = grading_config(home, batch)
    if not config:
        return {}
    grader = config["grading grader"]
    try:
        version = import_module(GRADERS[grader]).VERSION
    except ModuleNotFoundError:
        version = "none in this version"
    return {**config, **_beside_code(grader), "grader version": version}


def _beside_code(grader: str) -> dict[str, str]:
    """What else of a grader decides outcomes: the harness it calls, its table of repositories."""
    if grader == "swebench":
        return {"grading harness": installed("swebench")}
    recipes = files(GRADERS["local"]) / "recipes.yaml"
    return {"grading recipes": digest(yaml.safe_load(recipes.read_text(encoding="utf-8")))[:16]}


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
        found: Grade = import_module(GRADERS[grading.grader]).grade
    except (ModuleNotFoundError, AttributeError):
        path = grading_path(work.home, work.partition)
        raise SrftError(f"{path}: no grader {grading.grader!r} in this version") from None
    return found
