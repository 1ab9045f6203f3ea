"""Grading without Docker: the patch applied to a clean copy, the tests run in the sandbox."""

import secrets
import tempfile
from dataclasses import replace
from pathlib import Path

from srft_assets.outcomes.commands import recorded_command
from srft_assets.outcomes.model import NAMED_TESTS, Status, TestOutcome
from srft_assets.outcomes.printed import parse_printed
from srft_assets.outcomes.repository import (
    PATCH_REFUSED,
    RECORDER,
    BadTaskError,
    apply_script,
    lay_out,
)
from srft_assets.outcomes.results import Recorded, read_recorded, tally
from srft_assets.outcomes.task import TaskInstance
from srft_assets.sandbox import Completed, Limits, Sandbox, SandboxError

GRADER = "srft-local"
GRADER_VERSION = "1"
MAX_PATCH_BYTES = 10_000_000
MAX_LOG_CHARS = 16_000
APPLYING = Limits(wall_seconds=60, cpu_seconds=60)


def grade_patch(
    task: TaskInstance,
    patch: str | None,
    sandbox: Sandbox,
    *,
    trajectory_id: str,
    limits: Limits | None = None,
) -> TestOutcome:
    """Apply `patch` to a clean copy of the task, put its tests in place, and run them.

    Resolved where every FAIL_TO_PASS and PASS_TO_PASS test passes. The sandbox's own failure and
    a task that cannot be graded give `infra_error`; this never raises for what a patch holds.

    What a patch cannot do: print results, end the run early, change, replace or shadow a test
    file, or reach out of the sandbox. What it still can: code under test shares a process with
    the tests, so code that patches unittest or pytest in memory, or looks for the recorder's
    file, can forge results; and so can a printed line where the task's command is none the
    recorder knows (`recorded_command`).
    """
    blank = TestOutcome(
        trajectory_id,
        task.instance_id,
        Status.INFRA_ERROR,
        f2p_total=len(task.fail_to_pass),
        p2p_total=len(task.pass_to_pass),
        grader=GRADER,
        grader_version=GRADER_VERSION,
    )
    if not task.fail_to_pass and not task.pass_to_pass:
        return replace(blank, reason="the task names no tests")
    if not task.files or not task.test_command:
        return replace(blank, reason="the task carries no files or no test command")
    if not patch or not patch.strip():
        return replace(blank, status=Status.EMPTY_PATCH)
    if len(patch) > MAX_PATCH_BYTES:
        reason = f"patch of {len(patch):,} characters, more than {MAX_PATCH_BYTES:,}"
        return replace(blank, status=Status.PATCH_FAILED, reason=reason)
    try:
        with tempfile.TemporaryDirectory(prefix="srft-grade-", ignore_cleanup_errors=True) as name:
            return _grade(task, patch, sandbox, Path(name), limits or Limits(), blank)
    except (SandboxError, BadTaskError, OSError) as error:
        return replace(blank, reason=str(error))


def _grade(
    task: TaskInstance,
    patch: str,
    sandbox: Sandbox,
    folder: Path,
    limits: Limits,
    blank: TestOutcome,
) -> TestOutcome:
    lay_out(task, patch, folder)
    applied = sandbox.run(apply_script(task), workdir=folder, limits=APPLYING)
    if applied.timed_out or applied.returncode == PATCH_REFUSED:
        why = "took too long to apply" if applied.timed_out else _last_line(applied.output)
        return replace(blank, status=Status.PATCH_FAILED, reason=why, log=cut(applied.output))
    if applied.returncode != 0:
        reason = f"the task could not be set up: {_last_line(applied.output)}"
        return replace(blank, reason=reason, log=cut(applied.output))

    results = f"results-{secrets.token_hex(8)}.jsonl"
    command = recorded_command(task.test_command, RECORDER, f".git/{results}")
    ran = sandbox.run(command.shell, workdir=folder, limits=limits)
    if command.recorded:
        recorded = read_recorded(folder, results)
    else:
        recorded = Recorded(parse_printed(ran.output), finished=not ran.timed_out)
    return _judge(task, recorded, ran, blank, limits)


def _judge(
    task: TaskInstance,
    recorded: Recorded,
    ran: Completed,
    blank: TestOutcome,
    limits: Limits,
) -> TestOutcome:
    f2p = tally(task.fail_to_pass, recorded.results)
    p2p = tally(task.pass_to_pass, recorded.results)
    counted = replace(blank, f2p_passed=f2p.passed, p2p_passed=p2p.passed, log=cut(ran.output))
    if ran.timed_out:
        reason = f"the tests took longer than {limits.wall_seconds:g} s"
        return replace(counted, status=Status.TIMEOUT, reason=reason)
    missing = f2p.missing + p2p.missing
    counted = replace(counted, failed_tests=missing[:NAMED_TESTS])
    if not recorded.finished:
        reason = f"the test run ended early (exit code {ran.returncode})"
        return replace(counted, status=Status.UNRESOLVED, reason=reason)
    if missing:
        return replace(counted, status=Status.UNRESOLVED, reason=f"did not pass: {missing[0]}")
    return replace(counted, status=Status.RESOLVED)


def _last_line(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "no message"


def cut(text: str) -> str:
    """The log as it is kept: both ends of a long one."""
    if len(text) <= MAX_LOG_CHARS:
        return text
    half = MAX_LOG_CHARS // 2
    return f"{text[:half]}\n[... {len(text) - 2 * half} characters cut ...]\n{text[-half:]}"
