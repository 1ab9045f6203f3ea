"""Grading of patches for SWE-bench instances in the sandbox."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace

from srft_assets.files import scratch
from srft_assets.home import Home
from srft_assets.outcomes.grader_choice import Grading
from srft_assets.outcomes.results import tally
from srft_assets.outcomes.sandbox_grader import MAX_PATCH_BYTES, not_the_patch
from srft_assets.outcomes.status import NAMED_TESTS, SDIST_GRADER, Run, Status, TestOutcome, cut_log
from srft_assets.outcomes.task import TaskInstance
from srft_assets.sandbox import Completed, Limits, open_sandbox
from srft_assets.warehouse.stage import Work
from srft_sdists.check import Ran, limits_of, make_ready, run_script, run_tests
from srft_sdists.git import leaves_tree, paths
from srft_sdists.source import Source
from srft_sdists.tree import REFUSED, check_out, patch_script

GRADER_VERSION = "2"
UNSAFE_PATHS = ("invalid path", "beyond a symbolic link")
"""What git says of a patch that would leave the repository."""


def grade(
    runs: Sequence[Run], tasks: Mapping[str, TaskInstance], grading: Grading, work: Work
) -> dict[str, TestOutcome]:
    """Trajectory id → outcome. Equal patches for one task are graded once.

    Raises SandboxMissingError where this machine has no sandbox.
    """
    open_sandbox()
    same: dict[tuple[str, str | None], list[Run]] = {}
    for run in runs:
        same.setdefault((run.instance_id, run.submission), []).append(run)

    def grade_same(key: tuple[str, str | None]) -> list[TestOutcome]:
        outcome = grade_instance(tasks[key[0]], key[1], work.home, grading)
        return [replace(outcome, trajectory_id=run.trajectory_id) for run in same[key]]

    pool = ThreadPoolExecutor(grading.workers, thread_name_prefix="grade-sdist")
    try:
        futures = as_completed([pool.submit(grade_same, key) for key in sorted(same, key=str)])
        done = work.progress.track(futures, f"grading {work.partition}", total=len(same))
        return {one.trajectory_id: one for future in done for one in future.result()}
    finally:
        pool.shutdown(cancel_futures=True)


def grade_instance(
    task: TaskInstance, patch: str | None, home: Home, grading: Grading
) -> TestOutcome:
    """Outcome of one patch, with an empty trajectory id. Never raises for what the patch holds."""
    blank = TestOutcome(
        "",
        task.instance_id,
        Status.INFRA_ERROR,
        f2p_total=len(task.fail_to_pass),
        p2p_total=len(task.pass_to_pass),
        grader=SDIST_GRADER,
        grader_version=GRADER_VERSION,
    )
    if not patch or not patch.strip():
        return replace(blank, status=Status.EMPTY_PATCH)
    if len(patch) > MAX_PATCH_BYTES:
        reason = f"patch of {len(patch):,} characters, more than {MAX_PATCH_BYTES:,}"
        return replace(blank, status=Status.PATCH_FAILED, reason=reason)
    try:
        return _grade(task, patch, home, grading, blank)
    except Exception as error:  # noqa: BLE001 the trouble of one run is no other's
        return replace(blank, reason=str(error) or type(error).__name__)


def _grade(
    task: TaskInstance, patch: str, home: Home, grading: Grading, blank: TestOutcome
) -> TestOutcome:
    ready = make_ready(task, home, grading)
    recipe, source, environment = ready.recipe, ready.source, ready.environment
    limits, kept = limits_of(grading), ready.known.pass_to_pass
    about = (
        f"source: {source.name}; Python {environment.interpreter.version}; "
        f"{len(kept)} of {len(task.pass_to_pass)} PASS_TO_PASS tests count\n"
    )
    with scratch("srft-grade-") as tree:
        check_out(source, source.base, tree)
        (tree / ".git" / "model.patch").write_bytes(_bytes(patch))
        applied = run_script(patch_script(task, source, recipe, patch), source, tree)
        if why := not_the_patch(applied):
            return replace(blank, reason=why)
        if applied.returncode:
            return _not_applied(blank, source, patch, applied)
        wanted = [*task.fail_to_pass, *kept]
        ran = run_tests(task, wanted, recipe, environment, tree, limits)
    return _judge(task, kept, ran, blank, limits, about)


def _not_applied(blank: TestOutcome, source: Source, patch: str, applied: Completed) -> TestOutcome:
    """A patch that only does not fit failed where the files are those of the base commit; a
    release's differ, so nobody can tell. Whatever else goes wrong is the patch's own doing, since
    the instance was checked without it."""
    code, output = applied.returncode, applied.output
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    why = next((line for line in lines if line.startswith("error:")), lines[-1] if lines else "")
    why = why.removeprefix("error: ")[:300] or "it took too much to apply"
    unsafe = any(word in output for word in UNSAFE_PATHS) or any(map(leaves_tree, paths(patch)))
    if code == REFUSED and source.kind != "git" and not unsafe:
        why = f"the patch does not fit {source.name}, which differs from base_commit: {why}"
        return replace(blank, reason=why, log=cut_log(output))
    return replace(blank, status=Status.PATCH_FAILED, reason=why, log=cut_log(output))


def _judge(
    task: TaskInstance,
    pass_to_pass: Sequence[str],
    ran: Ran,
    blank: TestOutcome,
    limits: Limits,
    about: str,
) -> TestOutcome:
    f2p = tally(task.fail_to_pass, ran.recorded.results)
    p2p = tally(pass_to_pass, ran.recorded.results)
    missing = f2p.missing + p2p.missing
    counted = replace(
        blank,
        f2p_passed=f2p.passed,
        p2p_passed=p2p.passed,
        p2p_total=p2p.total,
        log=about + cut_log(ran.completed.output),
    )
    if ran.completed.timed_out:
        reason = f"the tests took longer than {limits.wall_seconds:g} s"
        return replace(counted, status=Status.TIMEOUT, reason=reason)
    counted = replace(counted, failed_tests=missing[:NAMED_TESTS])
    if not ran.recorded.finished:
        reason = f"the test run ended early (exit code {ran.completed.returncode})"
        return replace(counted, status=Status.UNRESOLVED, reason=reason)
    if missing:
        return replace(counted, status=Status.UNRESOLVED, reason=f"did not pass: {missing[0]}")
    if code := ran.completed.returncode:
        reason = f"the test run failed (exit code {code})"
        return replace(counted, status=Status.UNRESOLVED, reason=reason)
    return replace(counted, status=Status.RESOLVED)


def _bytes(patch: str) -> bytes:
    """Git takes a patch without its last newline for a torn one."""
    return (patch if patch.endswith("\n") else f"{patch}\n").encode("utf-8", "surrogatepass")
