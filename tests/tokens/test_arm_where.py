"""`where`: one SQL condition on the runs of a batch, and nothing else."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from srft_assets.errors import SrftError
from srft_assets.outcomes.status import TEST_OUTCOMES
from srft_assets.tokens.run_choice import ids_where
from srft_assets.trajectories.model import TRAJECTORIES

RUNS = [
    {"trajectory_id": "short", "instance_id": "django__django-1", "n_steps": 3, "model": "a"},
    {"trajectory_id": "long", "instance_id": "django__django-2", "n_steps": 40, "model": "b"},
    {"trajectory_id": "ungraded", "instance_id": "psf__requests-3", "n_steps": 5},
]
OUTCOMES = [
    {"trajectory_id": "short", "status": "resolved", "f2p_passed": 2, "f2p_total": 2},
    {"trajectory_id": "long", "status": "timeout", "f2p_passed": 1, "f2p_total": 2},
]


def frame(rows: list[dict], schema: pl.Schema) -> pl.DataFrame:
    return pl.DataFrame([{**dict.fromkeys(schema), **row} for row in rows], schema=schema)


BATCH = frame(RUNS, TRAJECTORIES), frame(OUTCOMES, TEST_OUTCOMES)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("n_steps < 10", {"short", "ungraded"}),
        ("repo = 'django/django' AND NOT resolved", {"long"}),
        ("status = 'unknown'", {"ungraded"}),
        ("f2p_passed > 0 AND NOT resolved", {"long"}),
        ("model LIKE 'a%' OR model IS NULL", {"short", "ungraded"}),
        ("n_steps > (SELECT avg(n_steps) FROM candidates)", {"long"}),
        ("model = 'x' -- a comment with random()", set()),
        ("model = '; DROP TABLE candidates'", set()),
    ],
)
def test_runs_are_chosen_by_a_condition(condition: str, expected: set[str]) -> None:
    assert ids_where(condition, *BATCH) == expected


def test_a_condition_that_is_null_does_not_take_the_run() -> None:
    assert ids_where("f2p_passed < 9", *BATCH) == {"short", "long"}


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("n_step < 10", 'Referenced column "n_step" not found'),
        ("n_steps", "where gives INTEGER: it must be one condition"),
        ("resolved, graded", "where gives 2 values"),
        ("", "where is empty"),
        ("resolved LIMIT 1", "LIMIT"),
        ("resolved ORDER BY n_steps", "ORDER"),
        ("true; DROP TABLE candidates", ";"),
        ("true) OR (true", "syntax error"),
        ("true UNION SELECT 'x'", "UNION"),
        ("trajectory_id IN (SELECT content FROM read_text('/etc/hostname'))", "disabled"),
        ("EXISTS (FROM '/etc/hostname')", "hostname"),
        ("n_steps > random()", "random, which does not always give the same answer"),
        ("NOW() > '2020-01-01'", "now, which does not always give the same answer"),
        ("model = '\ud800'", "no text"),
        ("count(*) > 1", "cannot contain aggregates"),
        ("model = $1", "prepared parameter"),
    ],
)
def test_what_is_no_condition_is_told_in_one_line(condition: str, said: str) -> None:
    with pytest.raises(SrftError, match=r"^where") as told:
        ids_where(condition, *BATCH)
    assert said in str(told.value)
    assert "\n" not in str(told.value)


PIECES = ["n_steps", "resolved", "true", ">", "1", "'", '"', "(", ")", ";", "--", "/*", "*/", "$$"]


@settings(max_examples=20)
@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=2), max_size=8).map(" ".join))
def test_any_text_is_a_condition_or_an_error(condition: str) -> None:
    try:
        found = ids_where(condition, *BATCH)
    except SrftError:
        return
    assert found <= {"short", "long", "ungraded"}
