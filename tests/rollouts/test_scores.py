"""Attempts become rows with steps, cost and marks."""

import polars as pl
import pytest
from pydantic import ValidationError

from srft_assets.lab.tasks import generate_tasks
from srft_assets.outcomes.status import SDIST_GRADER
from srft_assets.rollouts.evaluation import Attempt
from srft_assets.rollouts.stage import (
    EVAL_SCORES,
    Played,
    cost_of,
    eval_scores_stage,
    score_figures,
    score_rows,
    trained_on,
)
from srft_assets.tokens.arm import ArmSpec, EvaluationSpec
from srft_assets.tokens.token_labels import MASKED_TOKENS
from srft_assets.training.rows import held_out_tasks
from srft_assets.trajectories.model import Action, Step, Trajectory
from srft_assets.warehouse.partitions import Warehouse
from srft_assets.warehouse.recipe import Recipe
from tests.warehouse.filled import put

TASK = "lab__held-1-0001"


def played(task=TASK, attempt=0, status="resolved", cost=None, **settings) -> Played:
    counts = dict.fromkeys(("f2p_passed", "f2p_total", "p2p_passed", "p2p_total"))
    outcome = Attempt(
        instance_id=task,
        attempt=attempt,
        trajectory_id=f"{task}.{attempt}",
        status=status,
        reason="",
        seconds=1.5,
        **counts,
        **settings,
    )
    run = Trajectory(
        trajectory_id=f"{task}.{attempt}",
        instance_id=task,
        scaffold="mini-swe-agent",
        format="x",
        messages=[],
        steps=[],
        exit_status="Submitted",
    )
    return Played(outcome, run, cost)


def test_a_row_holds_what_the_run_took():
    frame = score_rows([played(cost=0.25)], frozenset())
    assert frame.schema == EVAL_SCORES
    [row] = frame.rows(named=True)
    assert row["resolved"] is True
    assert (row["n_steps"], row["cost_usd"], row["seconds"]) == (0, 0.25, 1.5)
    assert row["exit_status"] == "Submitted"
    assert (row["contaminated"], row["approximate"]) == (False, False)


@pytest.mark.parametrize("status", ["infra_error", "unknown"])
def test_what_nobody_could_grade_is_no_score(status):
    assert score_rows([played(status=status)], frozenset())["resolved"].to_list() == [None]


def test_a_task_that_was_trained_on_is_marked():
    frame = score_rows([played(), played("lab__held-1-0002")], frozenset({TASK}))
    assert frame["contaminated"].to_list() == [True, False]
    assert score_rows([played()], None)["contaminated"].to_list() == [None]


def test_an_approximating_grader_is_marked():
    marks = score_rows([played(grader=SDIST_GRADER), played()], None)["approximate"]
    assert marks.to_list() == [True, False]


def test_an_attempt_that_reads_the_fix_is_marked_and_the_rate_told_without_it():
    cheat = played(attempt=1)
    diff = "diff --git a/calc.py b/calc.py\n+    return a + b\n"
    show = Action("bash", "git show origin/main")
    cheat.run.steps.append(Step(0, 0, "", [show], [diff], [0]))
    honest = [played(), played("lab__held-1-0002", status="unresolved")]
    frame = score_rows([*honest, cheat], None)
    assert frame["tainted"].to_list() == [False, False, True]
    figures = score_figures("rft", 0, frame)
    assert (figures["resolved"], figures["tainted"]) == (2, 1)
    assert figures["rate_untainted"] == pytest.approx(1 / 3)
    assert "rate_untainted" not in score_figures("rft", 0, score_rows(honest, None))


@pytest.mark.parametrize(
    ("info", "cost"),
    [
        ({"model_stats": {"instance_cost": 0.07, "api_calls": 3}}, 0.07),
        ({"model_stats": {"instance_cost": 0.0}}, None),
        ({"model_stats": None}, None),
        ({}, None),
    ],
)
def test_a_model_without_a_price_costs_nobody_knows_what(info, cost):
    assert cost_of({"info": info}) == cost


def test_training_tasks_are_those_of_the_batches_that_the_checkpoint_names(home):
    warehouse = Warehouse(home.warehouse)
    assert trained_on("rft", "0", warehouse) is None
    blank = dict.fromkeys(MASKED_TOKENS)
    for batch, rows in {
        "a": [("one", 5), ("masked", 0), ("unknown", 3)],
        "b": [("two", 5)],
    }.items():
        frame = [{**blank, "instance_id": task, "n_trained": count} for task, count in rows]
        put(warehouse, "masked_tokens/rft", batch, pl.DataFrame(frame, schema=MASKED_TOKENS))
    recipe = Recipe(inputs={"masked_tokens/rft/a": "v1", "base_models/tiny/all": "v1"})
    put(warehouse, "checkpoints/rft", "0", pl.DataFrame(), recipe=recipe)
    assert trained_on("rft", "0", warehouse) == {"one"}
    gone = Recipe(inputs={"masked_tokens/rft/a": "v1", "masked_tokens/rft/c": "v1"})
    put(warehouse, "checkpoints/rft", "1", pl.DataFrame(), recipe=gone)
    assert trained_on("rft", "1", warehouse) is None


@pytest.mark.parametrize(
    ("validation", "more"),
    [
        ({"keep": "last"}, set()),
        ({"keep": "last", "arm": "srft"}, set()),
        ({"keep": "best", "arm": "srft"}, {"scored"}),
        ({"keep": "last", "patience": 2, "arm": "srft"}, {"scored"}),
    ],
)
def test_tasks_that_chose_the_weights_are_as_those_that_were_trained_on(home, validation, more):
    """The scored arm has `scored`, the first by its hash, and `other`, which nobody looked at."""
    warehouse, blank = Warehouse(home.warehouse), dict.fromkeys(MASKED_TOKENS)
    assert held_out_tasks(["other", "scored", "own"], 1) == ["scored"]
    for arm, rows in {"rft": [("own", 9)], "srft": [("scored", 9), ("other", 9)]}.items():
        frame = [{**blank, "instance_id": t, "n_trained": 5, "n_tokens": n} for t, n in rows]
        put(warehouse, f"masked_tokens/{arm}", "a", pl.DataFrame(frame, schema=MASKED_TOKENS))
    inputs = {"masked_tokens/rft/a": "v1", "masked_tokens/srft/a": "v1"}
    config = {"validation": {"tasks": 1, **validation}, "max_length": 10}
    recipe = Recipe(config=config, inputs=inputs)
    put(warehouse, "checkpoints/rft", "0", pl.DataFrame(), recipe=recipe)
    assert trained_on("rft", "0", warehouse) == {"own", *more}


def test_held_out_tasks_of_another_seed_are_other_tasks():
    held = {task.instance_id for task in generate_tasks(30, EvaluationSpec().task_seed)}
    assert not held & {task.instance_id for task in generate_tasks(30, 1)}


def test_figures_of_several_attempts_state_pass_at_k():
    ends = ["resolved", "unresolved", "unresolved", "unresolved", "resolved", "infra_error"]
    rows = [played(f"t{place // 2}", place % 2, status) for place, status in enumerate(ends)]
    figures = score_figures("rft", 0, score_rows(rows[:4], frozenset()))
    assert figures["resolution_rate"] == 0.25
    assert figures["pass_at_2"] == 0.5
    assert "mean_cost_usd" not in figures
    figures = score_figures("rft", 0, score_rows(rows, frozenset({"t0"})))
    assert (figures["attempts"], figures["scored"], figures["infra_errors"]) == (6, 5, 1)
    assert figures["pass_at_2"] == 0.5, "t2, which has one scored attempt, is left out"
    assert figures["contaminated"] == 2


def test_figures_of_an_evaluation_that_nobody_graded():
    figures = score_figures("rft", 0, score_rows([played(status="infra_error")], None))
    assert figures["resolution_rate"] is None
    assert (figures["rate_95_low"], figures["rate_95_high"]) == (0, 1)


def test_attempts_need_a_temperature():
    with pytest.raises(ValidationError, match="3 attempts at temperature 0 are all the same"):
        EvaluationSpec(attempts=3, temperature=0)
    arm = ArmSpec(name="rft")
    assert eval_scores_stage(arm).config["attempts"] == 1
    several = arm.model_copy(update={"evaluation": EvaluationSpec(attempts=3, temperature=0.5)})
    assert eval_scores_stage(several).config["attempts"] == 3
