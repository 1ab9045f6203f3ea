"""Results of Harbor's trials: the reward is the outcome of the run in the trial's folder."""

from pathlib import Path

import pytest

from tests.outcomes.conftest import Ingest
from tests.trajectories.sessions import ATIF, TRIAL, write


def trial(folder: Path, name: str, **fields: object) -> None:
    write(folder / name / "agent/trajectory.json", {**ATIF, "trajectory_id": name})
    write(folder / name / "result.json", {**TRIAL, "trial_name": name, **fields})


def told(outcomes_of: Ingest, folder: Path) -> list[tuple[str, str, str]]:
    frame = outcomes_of(folder).frame.select("instance_id", "status", "reason")
    return sorted(set(frame.iter_rows()))


@pytest.mark.parametrize(
    ("fields", "status", "reason"),
    [
        ({}, "resolved", ""),
        ({"verifier_result": {"rewards": {"reward": 0.0}}}, "unresolved", ""),
        ({"verifier_result": {"rewards": {"reward": 0.5, "speed": 1}}}, "unresolved", "reward 0.5"),
        ({"verifier_result": {"rewards": {"passed": 1}}}, "resolved", ""),
        (
            {"verifier_result": None, "exception_info": {"exception_type": "BuildError"}},
            "infra_error",
            "BuildError",
        ),
    ],
)
def test_the_reward_is_the_outcome(tmp_path, outcomes_of, fields, status, reason):
    trial(tmp_path / "job", "widget__Ab12Cd3", **fields)
    assert told(outcomes_of, tmp_path / "job") == [("widget", status, reason)]


def test_a_trial_that_was_ingested_alone_has_its_outcome_too(tmp_path, outcomes_of):
    trial(tmp_path / "job", "widget__Ab12Cd3")
    assert told(outcomes_of, tmp_path / "job/widget__Ab12Cd3") == [("unknown", "resolved", "")]


def test_of_two_attempts_at_a_task_each_has_its_own(tmp_path, outcomes_of):
    trial(tmp_path / "job", "widget__Ab12Cd3")
    trial(tmp_path / "job", "widget__Ef45Gh6", verifier_result={"rewards": {"reward": 0}})
    made = outcomes_of(tmp_path / "job").frame
    assert sorted(made["status"]) == ["resolved", "resolved", "unresolved", "unresolved"]


def test_a_result_without_reward_or_exception_is_refused(tmp_path, outcomes_of):
    trial(tmp_path / "job", "widget__Ab12Cd3", verifier_result=None)
    made = outcomes_of(tmp_path / "job")
    assert [one.reason for one in made.refused] == [
        "a trial's result without a reward: it was not verified"
    ]
    assert set(made.frame["status"]) == {"unknown"}
