"""Which runs of a batch an arm takes, and which settings contradict each other."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from srft_assets.critic.verdict import Label
from srft_assets.outcomes.status import TEST_OUTCOMES
from srft_assets.tokens.arm import ArmSpec, Mixing
from srft_assets.tokens.run_choice import Chosen, choose, within_cap
from srft_assets.trajectories.model import TRAJECTORIES

TASKS = st.lists(st.sampled_from(["a", "b", "c", "unknown"]), max_size=20)


def batch(*runs: tuple[str, str, str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Runs of instance, status and messages, numbered."""
    rows = [
        {**dict.fromkeys(TRAJECTORIES), "trajectory_id": f"{n}", "instance_id": instance}
        | {"messages": messages}
        for n, (instance, _, messages) in enumerate(runs)
    ]
    outcomes = [
        {**dict.fromkeys(TEST_OUTCOMES), "trajectory_id": f"{n}", "status": status}
        for n, (_, status, _) in enumerate(runs)
    ]
    return pl.DataFrame(rows, TRAJECTORIES), pl.DataFrame(outcomes, TEST_OUTCOMES)


def ids(chosen: Chosen) -> list[str]:
    return chosen.frame["trajectory_id"].to_list()


def test_reasons_are_counted_in_order() -> None:
    runs = batch(
        ("a", "resolved", "1"),
        ("a", "timeout", "2"),
        ("a", "timeout", "2"),
        ("a", "timeout", "3"),
        ("b", "unresolved", "4"),
    )
    arm = ArmSpec(
        name="x", runs="unresolved", where="instance_id <> 'b'", dedup=True, per_instance=1
    )
    chosen = choose(arm, *runs)
    assert len(ids(chosen)) == 1
    assert chosen.left_out == {
        "crashed": 0,
        "of_other_outcome": 1,
        "tainted": 0,
        "outside_where": 1,
        "identical": 1,
        "over_per_instance": 1,
    }


def test_a_run_that_crashed_is_taken_nowhere_and_one_that_could_not_be_graded_is_ungraded() -> None:
    runs, outcomes = batch(
        ("a", "infra_error", "1"), ("b", "infra_error", "2"), ("c", "unknown", "3")
    )
    graders = pl.Series("grader", ["none", "swebench", "none"])
    chosen = choose(ArmSpec(name="x"), runs, outcomes.with_columns(graders))
    assert ids(chosen) == ["1", "2"]
    assert chosen.left_out["crashed"] == 1
    for half in ("resolved", "unresolved"):
        arm = ArmSpec.model_validate({"name": "x", "runs": half})
        assert ids(choose(arm, runs, outcomes.with_columns(graders))) == []


def test_of_identical_runs_the_first_is_taken() -> None:
    runs = batch(("a", "resolved", "1"), ("a", "timeout", "1"), ("b", "resolved", "2"))
    assert ids(choose(ArmSpec(name="x", dedup=True), *runs)) == ["0", "2"]
    assert ids(choose(ArmSpec(name="x"), *runs)) == ["0", "1", "2"]


def test_an_empty_batch_is_chosen_from() -> None:
    arm = ArmSpec(name="x", dedup=True, per_instance=1, where="resolved")
    assert ids(choose(arm, *batch())) == []


@given(TASKS, st.integers(1, 4), st.integers(0, 5))
def test_no_task_has_more_runs_than_the_cap(tasks: list[str], cap: int, seed: int) -> None:
    runs = pl.DataFrame(
        {"trajectory_id": [f"{n}" for n in range(len(tasks))], "instance_id": tasks},
        schema={"trajectory_id": pl.String, "instance_id": pl.String},
    )
    kept = runs.filter(within_cap(runs, cap, seed))["instance_id"].to_list()
    for task in set(tasks):
        expected = tasks.count(task) if task == "unknown" else min(cap, tasks.count(task))
        assert kept.count(task) == expected


@given(TASKS, st.integers(1, 4), st.integers(0, 20))
def test_the_cap_over_batches_is_that_over_all_runs(tasks: list[str], cap: int, cut: int) -> None:
    runs = pl.DataFrame(
        {"trajectory_id": [f"{n}" for n in range(len(tasks))], "instance_id": tasks},
        schema={"trajectory_id": pl.String, "instance_id": pl.String},
    )
    batches = [runs.head(cut), runs.slice(cut)]
    capped = pl.concat(part.filter(within_cap(part, cap, 0)) for part in batches)
    twice = capped.filter(within_cap(capped, cap, 0))
    assert twice.equals(runs.filter(within_cap(runs, cap, 0)))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"critic": "rules", "gold": "lab"}, "critic and gold exclude each other"),
        ({"control": "random_mask"}, "control random_mask needs labels"),
        ({"weights": {"good": 0.5}}, "weights needs labels"),
        (
            {"critic": "rules", "mask": ["mistake"], "weights": {"mistake": 0.5}},
            "mistake is in mask, but has weight 0.5",
        ),
        ({"critic": "rules", "weights": {"good": -1}}, "greater than or equal to 0"),
        ({"critic": "rules", "weights": {"bad": 1}}, "weights.bad"),
        ({"per_instance": 0}, "greater than 0"),
        ({"overlapp": 1}, "Extra inputs"),
    ],
)
def test_settings_that_contradict_are_told(settings: dict, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        ArmSpec.model_validate({"name": "x", **settings})


@pytest.mark.parametrize(
    ("mixing", "said"),
    [
        ({"shares": {"failed": 1}}, "no outcome 'failed': it is one of resolved, ungraded"),
        ({"shares": {"resolved": 0}}, "every share is 0"),
        ({"shares": {}}, "at least 1 item"),
    ],
)
def test_a_mixing_that_draws_nothing_is_told(mixing: dict, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Mixing.model_validate(mixing)


def test_a_weight_alone_takes_its_label_out_of_the_default_mask() -> None:
    arm = ArmSpec(name="x", critic="rules", weights={Label.MISTAKE: 0.3})
    assert arm.mask == [Label.MISTAKE]
