"""The asset `comparison` reads the scores there are, and shows them."""

import logging

import polars as pl
import pytest

from srft_assets.compare import PAIRS
from srft_assets.compare.stage import comparison_stage
from srft_assets.errors import SrftError
from srft_assets.rollouts.stage import EVAL_SCORES
from srft_assets.warehouse.making import make_partition, recipe_of
from srft_assets.warehouse.partitions import ONLY, Warehouse
from srft_assets.warehouse.plan import State, state_of
from srft_assets.warehouse.recipe import Recipe
from srft_assets.warehouse.stage import IDLE, Listing, Work, no_launch
from tests.warehouse.filled import put

STAGE = comparison_stage(["eval_scores/rft", "eval_scores/sft", "eval_scores/later"])


def keep_scores(warehouse, arm, ends, *, seed="0", config=None, code=None):
    blank = dict.fromkeys(EVAL_SCORES)
    rows = [
        {**blank, "instance_id": f"t{place}", "attempt": 0, "resolved": end, "n_steps": 3}
        for place, end in enumerate(ends)
    ]
    recipe = Recipe(code=code or {"agent": "1"}, config=config or {}, inputs={})
    frame = pl.DataFrame(rows, schema=EVAL_SCORES)
    put(warehouse, f"eval_scores/{arm}", seed, frame, recipe=recipe)


@pytest.fixture
def warehouse(home):
    return Warehouse(home.warehouse)


def making(home, warehouse):
    work = Work(
        home=home,
        warehouse=warehouse,
        partition=ONLY,
        recipe=recipe_of(STAGE, home, warehouse, ONLY),
        run_id="test",
        progress=IDLE,
        launch=no_launch,
        log=logging.getLogger("test"),
    )
    return make_partition(STAGE, work)[0]


def test_it_holds_the_differences_and_shows_tables_and_a_picture(home, warehouse):
    keep_scores(warehouse, "rft", [True] * 9 + [None])
    keep_scores(warehouse, "sft", [False] * 10)
    made = making(home, warehouse)
    assert made.frame.schema == PAIRS
    assert made.frame.select("arm", "against", "pairs", "difference").rows() == [
        ("rft", "sft", 9, 1.0)
    ]
    assert made.metadata["plot"].read_bytes().startswith(b"\x89PNG")
    assert isinstance(made.metadata["arms"], Listing)
    assert "rft beats sft" in made.metadata["says"]
    assert "1 attempt without a grade" in made.metadata["mind"]


def test_an_arm_without_scores_is_left_out_until_it_has_some(home, warehouse):
    keep_scores(warehouse, "rft", [True, False])
    assert making(home, warehouse).frame.is_empty()
    assert state_of(STAGE, home, warehouse, ONLY).state is State.IN_SYNC
    keep_scores(warehouse, "later", [True, True])
    found = state_of(STAGE, home, warehouse, ONLY)
    assert found.state is State.STALE
    assert "eval_scores/later/0" in " ".join(found.why)


@pytest.mark.parametrize("ends", [None, [None, None]])
def test_without_any_score_there_is_nothing_to_compare(home, warehouse, ends):
    if ends:
        keep_scores(warehouse, "rft", ends)
    with pytest.raises(SrftError, match="no arm has scores to compare"):
        making(home, warehouse)


def test_unlike_evaluations_are_told(home, warehouse):
    like = {"step_limit": 16, "temperature": 0.7, "tasks": 2}
    keep_scores(warehouse, "rft", [True, False], config=like)
    keep_scores(warehouse, "sft", [True, False], config=like)
    assert "unlike" not in making(home, warehouse).metadata["mind"]
    other = {**like, "step_limit": 30, "tasks": 3, "attempts": 2}
    keep_scores(warehouse, "sft", [True, False], config=other, code={"agent": "2"})
    mind = making(home, warehouse).metadata["mind"]
    assert "Evaluated with unlike step_limit: 16 for rft; 30 for sft." in mind
    assert "Evaluated with unlike attempts: the default for rft; 2 for sft." in mind
    assert "Evaluated by unlike versions of our code (agent)" in mind
    assert "unlike tasks" not in mind and "temperature" not in mind


def test_seeds_of_one_arm_may_be_unlike_too(home, warehouse):
    for seed, limit in (("0", 16), ("1", 30)):
        keep_scores(warehouse, "rft", [True, False], seed=seed, config={"step_limit": limit})
    assert (
        "step_limit: 16 for rft (seed 0); 30 for rft (seed 1)."
        in (making(home, warehouse).metadata["mind"])
    )
