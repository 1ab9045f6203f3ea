"""Patches graded in the real sandbox: right, wrong, empty, endless, such that cannot be applied."""

import pytest

from srft_assets.outcomes import sandbox_grader
from srft_assets.outcomes.sandbox_grader import MAX_PATCH_BYTES, grade_patch
from srft_assets.outcomes.status import Status
from srft_assets.outcomes.task import TaskInstance
from srft_assets.sandbox import Limits, Sandbox
from tests.outcomes.conftest import diff, new_file
from tests.outcomes.local_support import edit, grade


def test_the_right_patch_resolves(any_task: TaskInstance, sandbox: Sandbox) -> None:
    outcome = grade(any_task, any_task.patch, sandbox)
    assert outcome.status is Status.RESOLVED, outcome
    assert (outcome.trajectory_id, outcome.instance_id) == ("run-1", "demo__adder-1")
    assert (outcome.f2p_passed, outcome.f2p_total) == (1, 1)
    assert (outcome.p2p_passed, outcome.p2p_total) == (2, 2)
    assert outcome.grader == "srft-local" and outcome.grader_version


def test_the_log_has_what_was_printed_and_which_answers_were_wrong(
    any_task: TaskInstance, sandbox: Sandbox
) -> None:
    outcome = grade(any_task, edit("    print('looked at')\n    return a + b + 1"), sandbox)
    assert outcome.log is not None and "looked at" in outcome.log
    assert "adder.add(1, 2) returned 4" in outcome.log or "Ran 3 tests" in outcome.log


def test_a_patch_without_its_last_newline_is_whole(task: TaskInstance, sandbox: Sandbox) -> None:
    assert grade(task, task.patch.rstrip("\n"), sandbox).status is Status.RESOLVED


@pytest.mark.parametrize(
    ("body", "f2p", "p2p"),
    [("    return a - b - 0", 0, 2), ("    return 3", 1, 0), ("    raise ValueError", 0, 0)],
)
def test_a_wrong_patch_is_unresolved_and_counted(
    any_task: TaskInstance, sandbox: Sandbox, body: str, f2p: int, p2p: int
) -> None:
    outcome = grade(any_task, edit(body), sandbox)
    assert outcome.status is Status.UNRESOLVED
    assert (outcome.f2p_passed, outcome.p2p_passed) == (f2p, p2p)
    assert outcome.reason.startswith("did not pass: test_")


@pytest.mark.parametrize("patch", [None, "", " \n\n"])
def test_no_patch_is_an_empty_patch(
    task: TaskInstance, sandbox: Sandbox, patch: str | None
) -> None:
    assert grade(task, patch, sandbox).status is Status.EMPTY_PATCH


OUTSIDE = {
    "prose": "I fixed it by adding the numbers.\n",
    "a file that is not there": diff("other.py", "    return a - b", "    return a + b"),
    "lines that are not there": diff("adder.py", "    return a * b", "    return a + b"),
    "an ed script": "--- a/adder.py\n+++ b/adder.py\n1,$!touch */.git/ran\n.\n",
    "a path upwards": new_file("../../evil", "evil\n"),
    "through a link upwards": new_file("out", "../..", mode="120000") + new_file("out/x", "evil\n"),
    "characters no text has": "diff --git a/\ud800 b/\0\n",
}


@pytest.mark.parametrize("patch", OUTSIDE.values(), ids=OUTSIDE.keys())
def test_a_patch_that_cannot_be_applied_failed(
    task: TaskInstance, sandbox: Sandbox, patch: str
) -> None:
    outcome = grade(task, patch, sandbox)
    assert outcome.status is Status.PATCH_FAILED, outcome
    assert outcome.reason


def test_a_huge_patch_is_refused_unread(task: TaskInstance, sandbox: Sandbox) -> None:
    outcome = grade(task, "x" * (MAX_PATCH_BYTES + 1), sandbox)
    assert outcome.status is Status.PATCH_FAILED and "10,000,001" in outcome.reason


@pytest.mark.parametrize(
    ("script", "status", "reason"),
    [
        ("sleep 300", Status.INFRA_ERROR, "the machine took more than 5 s to apply the patch"),
        ("while :; do :; done", Status.PATCH_FAILED, ""),
    ],
    ids=["waits", "computes"],
)
def test_waiting_is_the_machine_own_fault_and_cpu_time_the_patch(
    task: TaskInstance,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    script: str,
    status: Status,
    reason: str,
) -> None:
    wall = 5 if reason else 60
    monkeypatch.setattr(sandbox_grader, "APPLYING", Limits(wall_seconds=wall, cpu_seconds=1))
    monkeypatch.setattr(sandbox_grader, "apply_script", lambda *_: script)
    outcome = grade(task, task.patch, sandbox)
    assert outcome.status is status and reason in outcome.reason, outcome


def test_endless_code_is_a_timeout(task: TaskInstance, sandbox: Sandbox) -> None:
    limits = Limits(wall_seconds=1)
    patch = edit("    import os, time\n    os.fork()\n    while True: time.sleep(1)")
    outcome = grade_patch(task, patch, sandbox, trajectory_id="r", limits=limits)
    assert outcome.status is Status.TIMEOUT and outcome.reason == "the tests took longer than 1 s"
