"""`eval_scores/<arm>`: held-out generated tasks played by a checkpoint, by seed."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import orjson

from srft_assets.agent.play import Play
from srft_assets.child import python
from srft_assets.errors import SrftError
from srft_assets.files import place
from srft_assets.lab.tasks import generate_tasks
from srft_assets.outcomes.task import TaskInstance
from srft_assets.plugins import need
from srft_assets.rollouts.attempts import EvaluationJob, read_result
from srft_assets.rollouts.scores import (
    EVAL_SCORES,
    VOLATILE,
    read_played,
    score_figures,
    score_rows,
    trained_on,
)
from srft_assets.tokens.arm import ArmSpec
from srft_assets.trajectories.model import Trajectory
from srft_assets.trajectories.schema import frame_of
from srft_assets.warehouse.partitions import Stamp, data_version
from srft_assets.warehouse.stage import Made, Stage, Upstream, Work

VERSION = 2
"""Raised when the output changes; see tools/versions.py."""

DESCRIPTION = """
Held-out generated tasks, played by the checkpoints of the arm `{name}` through mini-swe-agent in
the sandbox; the patches are graded as those of training runs are. One row an attempt.
`infra_error` rows are the machine's failure and no score. The runs are in
`eval_trajectories/{name}`, and never become training data.

{description}
"""


def eval_scores_stage(arm: ArmSpec, unsafe: bool = False) -> Stage:
    """The stage of one arm; only its evaluation settings count. `unsafe`: without a sandbox."""
    return Stage(
        key=f"eval_scores/{arm.name}",
        partitioned_by="seed",
        upstream=(Upstream(f"checkpoints/{arm.name}"),),
        schema=EVAL_SCORES,
        code={"version": VERSION},
        make=lambda work: _make(arm, unsafe, work),
        config=arm.evaluation.model_dump(),
        beside=(f"eval_trajectories/{arm.name}",),
        volatile=VOLATILE,
        pool="rollouts",
        description=DESCRIPTION.format(name=arm.name, description=arm.description).strip(),
        kinds=frozenset({"pytorch", "python"}),
    )


def _make(arm: ArmSpec, unsafe: bool, work: Work) -> Made:
    need("train", "rollout")
    tasks = generate_tasks(arm.evaluation.tasks, arm.evaluation.task_seed)
    out = work.home.runs / "eval" / arm.name / work.partition / work.recipe.fingerprint[:16]
    if read_result(out) is None:
        _play(_job(arm, unsafe, out, work), tasks, work)
    facts = read_result(out)
    if facts is None:
        raise SrftError(f"{arm.name}/{work.partition}: the evaluation left no result in {out}")
    attempts = range(arm.evaluation.attempts)
    played = [read_played(out, Play(task, attempt)) for task in tasks for attempt in attempts]
    frame = score_rows(played, trained_on(arm.name, work.partition, work.warehouse))
    _keep_runs(arm.name, [one.run for one in played], work)
    figures = score_figures(arm.name, int(work.partition), frame)
    return Made(frame, metadata={**figures, **facts, "runs": str(out)})


def _job(arm: ArmSpec, unsafe: bool, out: Path, work: Work) -> EvaluationJob:
    rows = work.read(f"checkpoints/{arm.name}")
    checkpoint = work.home.root / rows["path"][0] if rows.height else None
    if checkpoint is None or not checkpoint.is_dir():
        raise SrftError(
            f"checkpoints/{arm.name}/{work.partition} has no folder: materialize it again"
        )
    return EvaluationJob(
        label=f"{arm.name}/{work.partition}",
        checkpoint=checkpoint,
        tasks=out / "tasks.jsonl",
        out=out,
        seed=int(work.partition),
        unsafe=unsafe,
        **arm.evaluation.model_dump(exclude={"tasks", "task_seed"}),
    )


def _play(job: EvaluationJob, tasks: list[TaskInstance], work: Work) -> None:
    lines = [orjson.dumps(task.model_dump(by_alias=True)) for task in tasks]
    place(job.tasks, b"".join(line + b"\n" for line in lines))
    stated = job.out / "job.json"
    place(stated, job.model_dump_json(indent=2).encode())
    work.launch(python("srft_assets.rollouts.evaluation", str(stated)), {})


def _keep_runs(arm: str, runs: Sequence[Trajectory], work: Work) -> None:
    """Write `eval_trajectories/<arm>/<seed>`, stamped with the recipe of the scores."""
    frame, refused = frame_of(runs, f"eval-{arm}-{work.partition}")
    if refused:
        raise SrftError(refused[0].line())
    stamp = Stamp(
        recipe=work.recipe,
        fingerprint=work.recipe.fingerprint,
        data_version=data_version(frame),
        rows=frame.height,
        run_id=work.run_id,
        made_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
    )
    work.warehouse.write(f"eval_trajectories/{arm}", work.partition, frame, stamp)
