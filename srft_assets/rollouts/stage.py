"""`eval_scores/<arm>`: held-out generated tasks played by a checkpoint, by seed."""

import sys
from pathlib import Path

import orjson
import polars as pl

from srft_assets.agent.play import run_path
from srft_assets.agent.whole_file import put_whole
from srft_assets.compare.wilson import wilson_interval
from srft_assets.errors import SrftError
from srft_assets.lab.tasks import generate_tasks
from srft_assets.outcomes.task import TaskInstance
from srft_assets.rollouts.job import EvaluationJob, read_attempt, read_result
from srft_assets.rollouts.keeping import keep_runs, read_run
from srft_assets.rollouts.schema import EVAL_SCORES, UNSCORED, VOLATILE
from srft_assets.tokens.arm import ArmSpec
from srft_assets.trajectories.model import Trajectory
from srft_assets.trajectories.stage import readers_digest
from srft_assets.warehouse.code import code_digest
from srft_assets.warehouse.stage import Made, Stage, Upstream, Work

PLAYING = tuple(
    f"srft_assets.rollouts.{name}"
    for name in (
        "batcher",
        "checkpoint",
        "gate",
        "generator",
        "keeping",
        "model",
        "playing",
        "prompt",
    )
)
TASKS = tuple(
    f"srft_assets.lab.{name}"
    for name in ("check", "functions", "git_objects", "repository", "tasks", "words")
)
GRADING = tuple(
    f"srft_assets.outcomes.{name}"
    for name in (
        "commands",
        "local",
        "printed",
        "recorder",
        "repository",
        "results",
        "task",
        "test_ids",
    )
)

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
        code={
            "agent": code_digest("srft_assets.agent"),
            "playing": code_digest(*PLAYING),
            "tasks": code_digest(*TASKS),
            "grading": code_digest(*GRADING, "srft_assets.sandbox"),
            "readers": readers_digest(),
        },
        make=lambda work: _make(arm, unsafe, work),
        config=arm.evaluation.model_dump(),
        volatile=VOLATILE,
        description=DESCRIPTION.format(name=arm.name, description=arm.description).strip(),
        kinds=frozenset({"pytorch", "python"}),
    )


def _make(arm: ArmSpec, unsafe: bool, work: Work) -> Made:
    tasks = generate_tasks(arm.evaluation.tasks, arm.evaluation.task_seed)
    out = work.home.runs / "eval" / arm.name / work.partition / work.recipe.fingerprint[:16]
    if read_result(out) is None:
        _play(_job(arm, unsafe, out, work), tasks, work)
    facts = read_result(out)
    if facts is None:
        raise SrftError(f"{arm.name}/{work.partition}: the evaluation left no result in {out}")
    runs = {task.instance_id: read_run(run_path(out, task.instance_id)) for task in tasks}
    frame = _scores(out, tasks, runs)
    keep_runs(arm.name, list(runs.values()), work)
    return Made(frame, metadata={**_figures(frame), **facts, "runs": str(out)})


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
    put_whole(job.tasks, b"".join(line + b"\n" for line in lines))
    stated = job.out / "job.json"
    put_whole(stated, job.model_dump_json(indent=2).encode())
    work.launch([sys.executable, "-m", "srft_assets.rollouts.main", str(stated)], {})


def _scores(out: Path, tasks: list[TaskInstance], runs: dict[str, Trajectory]) -> pl.DataFrame:
    rows = []
    for task in tasks:
        attempt = read_attempt(out, task.instance_id)
        if attempt is None:
            raise SrftError(f"{task.instance_id} was not played: remove {out} and try again")
        run = runs[task.instance_id]
        rows.append(
            {
                **attempt.model_dump(exclude={"reason"}),
                "resolved": None if attempt.status in UNSCORED else attempt.status == "resolved",
                "n_steps": len(run.steps),
                "exit_status": run.exit_status,
            }
        )
    return pl.DataFrame(rows, schema=EVAL_SCORES)


def _figures(frame: pl.DataFrame) -> dict[str, object]:
    scored = frame.filter(pl.col("resolved").is_not_null())
    resolved = int(scored["resolved"].sum())
    low, high = wilson_interval(resolved, scored.height) or (0.0, 1.0)
    ends = frame.group_by("exit_status").len().sort("len", descending=True)
    return {
        "attempts": frame.height,
        "scored": scored.height,
        "infra_errors": frame.height - scored.height,
        "resolved": resolved,
        "resolution_rate": resolved / scored.height if scored.height else None,
        "wilson_95_low": low,
        "wilson_95_high": high,
        "mean_steps": frame["n_steps"].mean(),
        "ends": ", ".join(f"{status or 'none'} {count}" for status, count in ends.iter_rows()),
    }
