"""`eval_scores/<arm>`: held-out tasks played by a checkpoint; a row an attempt."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from srft_assets.agent.play import Play
from srft_assets.compare.rates import cells_of, mean_pass_at_k, rate_of, usual_attempts
from srft_assets.errors import Refusal, SrftError
from srft_assets.files import place
from srft_assets.integrity.stage import findings_of
from srft_assets.lab.tasks import generate_tasks
from srft_assets.outcomes.status import Status, is_approximate
from srft_assets.outcomes.task import TaskInstance, write_tasks
from srft_assets.plugins import need
from srft_assets.processes.child import python
from srft_assets.rollouts.cost import scoring_cost
from srft_assets.rollouts.evaluation import (
    Attempt,
    EvaluationJob,
    read_attempt,
    read_result,
    read_run,
)
from srft_assets.rollouts.scoring import (
    graded,
    play_tasks,
    rows_config,
    stated_config,
    tasks_to_play,
)
from srft_assets.rollouts.settings import VERSION as ROLLOUTS
from srft_assets.rollouts.task_set import contaminated, trained_on
from srft_assets.tokens.arm import ArmSpec
from srft_assets.tokens.evaluation import EMBEDDED
from srft_assets.training.checkpoint import weights_gone
from srft_assets.trajectories.model import Trajectory, frame_of
from srft_assets.warehouse.recipe import Recipe
from srft_assets.warehouse.stage import Made, Stage, Upstream, Work

VERSION = 5
"""Raised when the output changes; see tools/versions.py."""

EVAL_SCORES = pl.Schema(
    {
        "instance_id": pl.String,
        "attempt": pl.Int32,
        "trajectory_id": pl.String,
        "status": pl.String,
        "resolved": pl.Boolean,
        "n_steps": pl.Int32,
        "cost_usd": pl.Float64,
        "exit_status": pl.String,
        "f2p_passed": pl.Int32,
        "f2p_total": pl.Int32,
        "p2p_passed": pl.Int32,
        "p2p_total": pl.Int32,
        "seconds": pl.Float64,
        "grader": pl.String,
        "contaminated": pl.Boolean,
        "approximate": pl.Boolean,
        "tainted": pl.Boolean,
    }
)
"""`resolved` is None where the status is `infra_error` or `unknown`: such rows are no score.
`seconds` is the wall time of playing and grading, with all other runs going on beside it; of rows
of a data set, and of a served checkpoint, from the first call to the last.
`cost_usd` is None where the model has no price. `contaminated`: the arm was trained on a run of
the task, or of one of the same repository and commit; None where what it was trained on is gone.
`approximate`: not graded as officially. `tainted`: the run read the fix, disabled tests or
hard-coded answers, by the rules of `integrity`."""

BEGUN = "the attempt could not begin, the run's log says why; evaluation.again tries it anew"

HOW_MANY = ("tasks", "attempts")
"""Settings of generated tasks that decide which runs there are, and none of them."""
UNSCORED = frozenset({Status.INFRA_ERROR, Status.UNKNOWN})
"""Statuses that say nothing about the model."""

DESCRIPTION = """
Held-out tasks ({tasks}), played by the checkpoints of the arm `{name}` through mini-swe-agent
({environment}); the patches are graded as those of training runs are. One row an attempt.
`infra_error` rows are the machine's failure and no score. The runs are in
`eval_trajectories/{name}`, and never become training data.

{description}
"""


def eval_scores_stage(arm: ArmSpec, unsafe: bool = False) -> Stage:
    """The stage of one arm; only its evaluation settings count. `unsafe`: without a sandbox."""
    spec = arm.evaluation
    stage = Stage(
        key=f"eval_scores/{arm.name}",
        partitioned_by="seed",
        upstream=(Upstream(f"checkpoints/{arm.name}"),),
        schema=EVAL_SCORES,
        code={"version": VERSION},
        make=lambda work: _make(arm, unsafe, work),
        config=spec.model_dump(include=set(EMBEDDED)),
        beside=(f"eval_trajectories/{arm.name}",),
        volatile=("seconds",),
        estimate=partial(scoring_cost, arm),
        apart=bool(spec.launch),
        pool="rollouts",
        description=DESCRIPTION.format(
            name=arm.name,
            description=arm.description,
            tasks=f"of {spec.tasks}" if spec.of_rows else "generated",
            environment=spec.where_played,
        ).strip(),
        kinds=frozenset({"pytorch", "python"}),
    )
    if spec.embedded:
        return stage
    return replace(
        stage,
        code={"version": VERSION, "rollouts": ROLLOUTS},
        make=lambda work: _make_stated(arm, work),
        config=stated_config(spec),
        config_of=lambda home, seed: rows_config(spec, home),
    )


def _make(arm: ArmSpec, unsafe: bool, work: Work) -> Made:
    need("train", "rollout")
    spec = arm.evaluation
    tasks = generate_tasks(int(spec.tasks), spec.task_seed)
    out = work.home.runs / "eval" / arm.name / work.partition / _played_by(work.recipe)
    plays = [Play(task, attempt) for task in tasks for attempt in range(spec.attempts)]
    if any(read_attempt(out, play) is None for play in plays):
        _play(_job(arm, unsafe, out, work), tasks, work, spec.launch)
    played = [read_played(out, play) for play in plays]
    tainted = trained_on(arm.name, work.partition, work.warehouse)
    return _scored(arm, played, tainted, {**read_result(out), "runs": str(out)}, work)


def _played_by(recipe: Recipe) -> str:
    """16 hex digits over what decides a run: not how many there are."""
    config = {name: value for name, value in recipe.config.items() if name not in HOW_MANY}
    return replace(recipe, config=config).fingerprint[:16]


def _make_stated(arm: ArmSpec, work: Work) -> Made:
    """As `evaluation:` states it, by the code that plays and grades batches."""
    need("rollout")
    tasks = tasks_to_play(arm.evaluation, work)
    trained = trained_on(arm.name, work.partition, work.warehouse)
    tainted = contaminated(arm, tasks, trained, work)
    if tainted is not None and arm.evaluation.of_rows and len(tainted) == len(tasks):
        raise SrftError(
            f"arm {arm.name}: all {len(tasks)} tasks of {arm.evaluation.tasks} are in the runs it "
            f"was trained on, e.g. {tasks[0].instance_id}: such scores say nothing; choose others "
            "by evaluation.instances or where, or leave their batches out of training.batches"
        )
    out = play_tasks(arm, tasks, work)
    wanted = [Play(task, attempt) for task in tasks for attempt in range(arm.evaluation.attempts)]
    plays = [play for play in wanted if play.path(out).exists()]
    lost = [
        Refusal(f"{arm.name}/{work.partition}", BEGUN, subject=play.name)
        for play in wanted
        if not play.path(out).exists()
    ]
    runs = [read_run(play.path(out), play.attempt) for play in plays]
    costs = [cost_of(orjson.loads(play.path(out).read_bytes())) for play in plays]
    attempts = graded(arm, plays, out, runs, work)
    played = [Played(*one) for one in zip(attempts, runs, costs, strict=True)]
    return replace(_scored(arm, played, tainted, {"runs": str(out)}, work), refused=lost)


def _scored(
    arm: ArmSpec,
    played: Sequence["Played"],
    tainted: frozenset[str] | None,
    facts: Mapping[str, Any],
    work: Work,
) -> Made:
    frame = score_rows(played, tainted)
    _keep_runs(arm.name, [one.run for one in played], work)
    figures = score_figures(arm.name, int(work.partition), frame)
    return Made(frame, metadata={**figures, **facts})


def _job(arm: ArmSpec, unsafe: bool, out: Path, work: Work) -> EvaluationJob:
    rows = work.read(f"checkpoints/{arm.name}")
    checkpoint = work.home.root / rows["path"][0] if rows.height else None
    if checkpoint is None or not checkpoint.is_dir():
        raise SrftError(weights_gone(arm.name, work.partition))
    return EvaluationJob(
        label=f"{arm.name}/{work.partition}",
        checkpoint=checkpoint,
        tasks=out / "tasks.jsonl",
        out=out,
        seed=int(work.partition),
        unsafe=unsafe,
        **arm.evaluation.model_dump(include=set(EMBEDDED) - {"tasks", "task_seed"}),
    )


def _play(job: EvaluationJob, tasks: list[TaskInstance], work: Work, prefix: Sequence[str]) -> None:
    write_tasks(job.tasks, tasks)
    stated = job.out / "job.json"
    place(stated, job.model_dump_json(indent=2).encode())
    work.launch(python("srft_assets.rollouts.evaluation", str(stated)), {}, prefix)


def _keep_runs(arm: str, runs: Sequence[Trajectory], work: Work) -> None:
    """Write `eval_trajectories/<arm>/<seed>`, stamped with the recipe of the scores."""
    frame, refused = frame_of(runs, f"eval-{arm}-{work.partition}")
    if refused:
        raise SrftError(refused[0].line())
    work.keep(f"eval_trajectories/{arm}", frame)


@dataclass(frozen=True, slots=True)
class Played:
    """One finished attempt: its outcome, its run, and what the calls cost in USD, if known."""

    attempt: Attempt
    run: Trajectory
    cost_usd: float | None


def read_played(out: Path, play: Play) -> Played:
    """What an evaluation left of one attempt. Raises SrftError where it was not played."""
    outcome = read_attempt(out, play)
    if outcome is None:
        raise SrftError(f"{play.task.instance_id} was not played: remove {out} and try again")
    path = play.path(out)
    return Played(outcome, read_run(path, play.attempt), cost_of(orjson.loads(path.read_bytes())))


def cost_of(record: dict[str, Any]) -> float | None:
    """USD of a mini-swe-agent run; None where it states none or 0, as models without a price do."""
    stated = (record.get("info") or {}).get("model_stats") or {}
    return float(stated.get("instance_cost") or 0) or None


def score_rows(played: Sequence[Played], trained: frozenset[str] | None) -> pl.DataFrame:
    """Rows in the schema EVAL_SCORES. `trained`: tasks the arm was trained on; None: unknown."""
    rows = []
    for one in played:
        status, task = one.attempt.status, one.attempt.instance_id
        rows.append(
            {
                **one.attempt.model_dump(exclude={"reason"}),
                "resolved": None if status in UNSCORED else status == "resolved",
                "n_steps": len(one.run.steps),
                "cost_usd": one.cost_usd,
                "exit_status": one.run.exit_status,
                "contaminated": None if trained is None else task in trained,
                "approximate": is_approximate(one.attempt.grader),
                "tainted": any(found.taints for found in findings_of(one.run)),
            }
        )
    return pl.DataFrame(rows, schema=EVAL_SCORES)


def score_figures(arm: str, seed: int, frame: pl.DataFrame) -> dict[str, object]:
    """Counts, rate with its 95% interval, pass@k, steps, cost, marks, and how the runs ended."""
    scored = frame.filter(pl.col("resolved").is_not_null())
    ends = frame.group_by("exit_status").len().sort("len", descending=True)
    cost = frame["cost_usd"].drop_nulls()
    return {
        "attempts": frame.height,
        "scored": scored.height,
        "infra_errors": frame.height - scored.height,
        "resolved": int(scored["resolved"].sum()),
        **_rate(frame.with_columns(arm=pl.lit(arm), seed=pl.lit(seed))),
        "mean_steps": frame["n_steps"].mean(),
        **({"mean_cost_usd": cost.mean()} if len(cost) else {}),
        "contaminated": int(frame["contaminated"].sum()),
        "approximate": int(frame["approximate"].sum()),
        **_without_tainted(frame),
        "ends": ", ".join(f"{status or 'none'} {count}" for status, count in ends.iter_rows()),
    }


def _without_tainted(frame: pl.DataFrame) -> dict[str, object]:
    """How many attempts are tainted; where any is, the rate at which these are not resolved."""
    tainted = int(frame["tainted"].sum())
    if not tainted:
        return {"tainted": 0}
    counts = frame.filter(pl.col("resolved").is_not_null())
    return {"tainted": tainted, "rate_untainted": (counts["resolved"] & ~counts["tainted"]).mean()}


def _rate(frame: pl.DataFrame) -> dict[str, object]:
    if frame["resolved"].null_count() == frame.height:
        return {"resolution_rate": None, "rate_95_low": 0.0, "rate_95_high": 1.0}
    cells = cells_of(frame, frame["arm"][0])
    rate, k = rate_of(cells), usual_attempts(cells)
    told: dict[str, object] = {
        "resolution_rate": rate.rate,
        "rate_95_low": rate.low,
        "rate_95_high": rate.high,
    }
    return told | ({f"pass_at_{k}": mean_pass_at_k(cells, k)} if k > 1 else {})
