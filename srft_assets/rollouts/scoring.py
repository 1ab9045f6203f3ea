"""An arm's checkpoint plays the tasks that its `evaluation:` names, by the code that plays batches,
and is graded by the code that grades them.

Runs lie in `<runs>/eval/<arm>/<seed>/<what answered>/<identity>/`, each with its outcome beside it
once it was graded; neither is done twice.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import orjson

from srft_assets.agent.play import ENDS, Play, missing, plays_of
from srft_assets.errors import SrftError, UsageError
from srft_assets.files import place
from srft_assets.home import Home
from srft_assets.lab.tasks import generate_tasks
from srft_assets.outcomes.grader_choice import Grading, check_grader, code_of, deciding, grade_by
from srft_assets.outcomes.sandbox_grader import GRADER_VERSION, grade_runs
from srft_assets.outcomes.status import SWEBENCH, Run, Status, TestOutcome, runs_of
from srft_assets.outcomes.task import TaskInstance, rows_digest, write_tasks
from srft_assets.project.settings import settings
from srft_assets.rollouts.batch import instances_path, model_named
from srft_assets.rollouts.evaluation import Attempt
from srft_assets.rollouts.player import play_missing, runs_folder
from srft_assets.rollouts.preflight import check_model, check_places
from srft_assets.rollouts.settings import RolloutSettings, parse_settings
from srft_assets.rollouts.task_set import task_set, task_set_digest
from srft_assets.sandbox import open_sandbox
from srft_assets.tokens.arm import ArmSpec
from srft_assets.tokens.evaluation import DECIDING, OF_VLLM, EvaluationSpec
from srft_assets.training.checkpoint import weights_gone
from srft_assets.trajectories.model import Trajectory, frame_of
from srft_assets.warehouse.recipe import digest
from srft_assets.warehouse.stage import Work

ROUNDS = 2
"""A run that a server or a machine ended is played once more."""


def stated_config(spec: EvaluationSpec) -> dict[str, Any]:
    """The settings that decide scores, besides the rows and who grades them."""
    told = spec.told.model_dump(exclude={"workers"}) | {"prompts": spec.prompts_told}
    served = spec.serve.model_dump(include=set(DECIDING)) if spec.serve else {}
    lab = {} if spec.of_rows else {"tasks": spec.tasks, "task_seed": spec.task_seed}
    return {
        **lab,
        **{f"agent {name}": value for name, value in told.items()},
        **{f"serve {name}": value for name, value in served.items() if value},
        "environment": spec.where_played,
        "step_limit": spec.step_limit,
        "max_new_tokens": spec.max_new_tokens,
        "temperature": spec.temperature,
        "attempts": spec.attempts,
        "again": spec.again,
    }


def rows_config(spec: EvaluationSpec, home: Home) -> dict[str, Any]:
    """The content of the rows, and the grader. Raises SrftError where rows cannot be had."""
    rows = {"rows": task_set_digest(spec, home)} if spec.of_rows else {}
    return rows | grader_config(spec)


def grader_config(spec: EvaluationSpec) -> dict[str, Any]:
    """Who grades, by which code and within which bounds."""
    if spec.who_grades == "none":
        return {"grading grader": "none"}
    if spec.where_played == "sandbox":
        return {"grading grader": spec.who_grades, "grading code": GRADER_VERSION}
    return deciding(grading_of(spec)) | code_of(spec.who_grades)


def grading_of(spec: EvaluationSpec) -> Grading:
    """The bounds, and the grader."""
    return Grading(grader=spec.who_grades, **spec.grading.model_dump())


def tasks_to_play(spec: EvaluationSpec, work: Work) -> list[TaskInstance]:
    """The tasks. Raises SrftError where the rows are others than the plan saw."""
    if not spec.of_rows:
        return generate_tasks(int(spec.tasks), spec.task_seed)
    tasks = task_set(spec, work.home)
    if rows_digest(tasks) != work.recipe.config.get("rows"):
        raise SrftError(f"{spec.tasks} changed meanwhile: start again")
    return tasks


def settings_of(arm: ArmSpec, tasks: Sequence[TaskInstance], work: Work) -> RolloutSettings:
    """How the checkpoint of this seed plays, in the words of a batch of rollouts."""
    spec, name = arm.evaluation, f"{arm.name}/{work.partition}"
    told = spec.told.model_dump(exclude={"protocol", "prompts"})
    chosen: dict[str, Any] = {"kind": "lab", "seed": spec.task_seed, "count": len(tasks)}
    if spec.of_rows:
        rows = rows_digest(tasks)
        chosen = {"kind": "rows", "source": str(spec.tasks), "count": len(tasks), "rows": rows}
    stated = {
        **told,
        "tasks": chosen,
        "model": _model(arm, work),
        "environment": spec.where_played,
        "prompts": spec.prompts_told,
        "attempts": spec.attempts,
        "step_limit": spec.step_limit,
        "max_new_tokens": spec.max_new_tokens,
        "temperature": spec.temperature,
        "seed": int(work.partition),
    }
    try:
        return parse_settings(stated, name)
    except SrftError as error:
        raise SrftError(f"arm {arm.name}: evaluation: {error}") from None


def _model(arm: ArmSpec, work: Work) -> dict[str, Any]:
    """The checkpoint, as `RolloutSettings.model` names it."""
    serve, name = arm.evaluation.serve, f"{arm.name}/{work.partition}"
    asset = f"checkpoints/{arm.name}"
    rows = work.read(asset)
    if not rows.height or not (work.home.root / rows["path"][0]).is_dir():
        raise SrftError(weights_gone(arm.name, work.partition))
    if serve is None:
        return model_named(work.home, f"checkpoint:{name}", {})
    asking: dict[str, Any] = {"protocol": arm.evaluation.told.protocol, "timeout": serve.timeout}
    if not serve.base_url:
        made = model_named(work.home, f"vllm:checkpoint:{name}", asking)
        server = made["server"] | serve.model_dump(include=set(OF_VLLM), exclude_none=True)
        server["extra_args"] = [*server["extra_args"], *serve.args]
        return {**made, "server": server}
    known = serve.name.replace("{arm}", arm.name).replace("{seed}", work.partition)
    there = serve.model_dump(include={"base_url", "api_key_env", "price"})
    weights = work.recipe.inputs[f"{asset}/{work.partition}"]
    return {"kind": "endpoint", "name": known, "weights": weights, **there, **asking}


def folder_of(arm: ArmSpec, work: Work) -> str:
    """Below the runs of the platform: what is played by another checkpoint, or by one that is
    served otherwise, lies elsewhere."""
    version = work.recipe.inputs[f"checkpoints/{arm.name}/{work.partition}"]
    spec = arm.evaluation
    served = spec.serve.model_dump(include=set(DECIDING)) if spec.serve else None
    return f"eval/{arm.name}/{work.partition}/{digest([version, served])[:12]}"


def play_tasks(arm: ArmSpec, tasks: Sequence[TaskInstance], work: Work) -> Path:
    """Play what lacks a run; returns the folder of the run files.

    Raises SrftError, before anything is played, for what can be known then: no server, or one that
    does not know the checkpoint; an image that cannot be had; no grader; and where no attempt
    could begin.
    """
    stated, folder = settings_of(arm, tasks, work), folder_of(arm, work)
    out = runs_folder(work.home, folder, stated, tasks)
    plays = plays_of(tasks, stated.attempts)
    todo = missing(out, plays)
    if not todo:
        return out
    try:
        if not arm.evaluation.launch:  # a node has its own images, or says what it lacks
            check_places([play.task for play in todo], stated.environment)
        check_model(stated, arm.training.max_length)
        if arm.evaluation.who_grades != "none" and arm.evaluation.where_played != "sandbox":
            grading = grading_of(arm.evaluation)
            check_grader(grading, {play.task.instance_id: play.task for play in todo})
    except SrftError as error:
        raise SrftError(f"arm {arm.name}: evaluation: {error}") from None
    if arm.evaluation.of_rows:
        write_tasks(instances_path(work.home, folder), tasks)
    for _ in range(ROUNDS):
        prefix = arm.evaluation.launch
        play_missing(work, folder, stated, tasks, prefix, f"eval_scores/{arm.name}")
        if not missing(out, plays):
            return out
    if not any(play.path(out).exists() for play in plays):
        raise SrftError(f"arm {arm.name}: no attempt could begin; the run's log says why")
    return out


def graded(
    arm: ArmSpec, plays: Sequence[Play], out: Path, runs: Sequence[Trajectory], work: Work
) -> list[Attempt]:
    """The outcome of each play, whose run stands at the same place; those graded before are read.

    A run that a server or a machine ended is an infrastructure error, and so is one that the grader
    failed at: both are tried anew when the partition is made again.
    """
    spec, label = arm.evaluation, f"eval-{arm.name}-{work.partition}"
    frame, refused = frame_of(runs, label)
    if refused:
        raise SrftError(refused[0].line())
    by = digest(grader_config(spec))[:8]
    rows = {play.task.instance_id: play.task for play in plays}
    found = {play.name: _read(_outcome_path(out, play, by)) for play in plays}
    ours = []
    for play, run in zip(plays, runs_of(frame), strict=True):
        known = found[play.name]
        if known and known.trajectory_id != run.trajectory_id:  # of a run that was played again
            found[play.name] = None
        if run.exit_status not in ENDS or spec.who_grades == "none":
            found[play.name] = _attempt(play, out, _ungraded(run))
        elif found[play.name] is None:
            ours.append((play, run))
    for some in _portions(ours, spec):
        outcomes = _grade(spec, [run for _, run in some], rows, replace(work, partition=label))
        for play, run in some:
            outcome = outcomes[run.trajectory_id]
            attempt = _attempt(play, out, outcome)
            found[play.name] = attempt
            if outcome.status is not Status.INFRA_ERROR:
                place(_outcome_path(out, play, by), attempt.model_dump_json().encode())
    return [one for play in plays if (one := found[play.name])]


T = TypeVar("T")


def _portions(runs: Sequence[T], spec: EvaluationSpec) -> Iterator[Sequence[T]]:
    """All at once for the harness, which keeps what it graded; else so many as are graded side by
    side, so that a kill loses no more."""
    size = max(len(runs), 1) if spec.who_grades == SWEBENCH else spec.grading.workers
    for start in range(0, len(runs), size):
        yield runs[start : start + size]


def _grade(
    spec: EvaluationSpec, runs: Sequence[Run], tasks: Mapping[str, TaskInstance], work: Work
) -> dict[str, TestOutcome]:
    if spec.where_played == "sandbox":
        sandbox = open_sandbox(settings().unsafe)
        return grade_runs(runs, tasks, sandbox, work.progress, f"grading {work.partition}")
    try:
        return grade_by(grading_of(spec), runs, tasks, work)
    except UsageError as error:
        raise SrftError(f"evaluation.grader: {error}") from None


def _ungraded(run: Run) -> TestOutcome:
    status, reason = Status.UNKNOWN, ""
    if run.exit_status not in ENDS:
        status = Status.INFRA_ERROR
        reason = f"the run ended in {run.exit_status}, which is no end of the model's own"
    return TestOutcome(run.trajectory_id, run.instance_id, status, reason=reason)


def _outcome_path(out: Path, play: Play, by: str) -> Path:
    return play.folder(out) / f"{play.task.instance_id}.{by}.outcome.json"


def _read(path: Path) -> Attempt | None:
    return Attempt.model_validate_json(path.read_bytes()) if path.exists() else None


def _attempt(play: Play, out: Path, outcome: TestOutcome) -> Attempt:
    return Attempt(
        instance_id=play.task.instance_id,
        attempt=play.attempt,
        trajectory_id=outcome.trajectory_id,
        status=outcome.status.value,
        reason=outcome.reason,
        f2p_passed=outcome.f2p_passed,
        f2p_total=outcome.f2p_total,
        p2p_passed=outcome.p2p_passed,
        p2p_total=outcome.p2p_total,
        seconds=played_seconds(play.path(out)),
        grader=outcome.grader,
    )


def played_seconds(path: Path) -> float | None:
    """Seconds between the first and the last call of a run file, where it says when they were."""
    messages = orjson.loads(path.read_bytes()).get("messages") or []
    extras = [message.get("extra") or {} for message in messages]
    times = [float(extra["timestamp"]) for extra in extras if extra.get("timestamp")]
    return round(max(times) - min(times), 3) if times else None
