"""Results of Harbor's trials: the reward is the outcome of the run in the trial's folder."""

from pathlib import Path

import pytest

from srft_assets.trajectories.batches import read_manifest
from tests.outcomes.conftest import Ingest
from tests.trajectories.sessions import ATIF, CLAUDE, INSPECT, SAMPLE, TRIAL, write


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


def test_a_reward_between_says_nothing(tmp_path, outcomes_of):
    trial(tmp_path / "job", "widget__Ab12Cd3", verifier_result={"rewards": {"reward": 0.5}})
    made = outcomes_of(tmp_path / "job")
    reason = "a reward of 0.5 says neither that it passed nor that not"
    assert [one.reason for one in made.refused] == [reason]
    assert set(made.frame["status"]) == {"unknown"}


def test_the_log_that_the_agent_itself_left_is_no_further_run(home, tmp_path, outcomes_of):
    trial(tmp_path / "job", "widget__Ab12Cd3")
    write(tmp_path / "job/widget__Ab12Cd3/agent/sessions/projects/-app/cc-1.jsonl", *CLAUDE)
    made = outcomes_of(tmp_path / "job")
    assert sorted(made.frame["status"]) == ["resolved", "resolved"]
    assert [one.reason for one in read_manifest(home, "batch").refused] == [
        "the agent's own log of the run in widget__Ab12Cd3/agent/trajectory.json"
    ]


def test_the_log_of_an_agent_counts_where_no_run_was_made_of_it(tmp_path, outcomes_of):
    folder = tmp_path / "job/widget__Ab12Cd3"
    write(folder / "agent/sessions/cc-1.jsonl", *CLAUDE)
    write(folder / "agent/trajectory.json", {"schema_version": "none"})
    write(folder / "result.json", TRIAL)
    assert told(outcomes_of, tmp_path / "job") == [("unknown", "resolved", "")]


def test_a_trial_without_a_run_says_nothing_of_another_trial_of_its_task(tmp_path, outcomes_of):
    trial(tmp_path / "job", "widget__Ab12Cd3", task_name="widget", verifier_result=None)
    write(tmp_path / "job/widget__Ef45Gh6/result.json", {**TRIAL, "task_name": "widget"})
    assert set(outcomes_of(tmp_path / "job").frame["status"]) == {"unknown"}


def test_a_report_beside_a_log_of_inspect_does_not_go_to_each_epoch(tmp_path, outcomes_of):
    told = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    samples = [SAMPLE | {"scores": {}}, SAMPLE | {"scores": {}, "epoch": 2, "messages": told}]
    write(tmp_path / "log/log.json", {**INSPECT, "samples": samples})
    write(tmp_path / "log/report.json", {SAMPLE["id"]: {"patch_exists": True, "resolved": True}})
    made = outcomes_of(tmp_path / "log")
    assert sorted(made.frame["status"]) == ["unknown", "unknown"]
    assert "several runs, and does not say which" in made.refused[-1].reason
