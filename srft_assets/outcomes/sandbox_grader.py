"""Grading in the sandbox: the patch applied to a clean copy of a task, whose tests are run."""

import contextlib
import json
import os
import re
import secrets
import shlex
import shutil
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import partial
from glob import escape
from pathlib import Path, PurePosixPath
from typing import Any

import orjson

from srft_assets.errors import SrftError
from srft_assets.files import scratch
from srft_assets.outcomes import caller, recorder
from srft_assets.outcomes.results import (
    Call,
    Recorded,
    calls_of,
    files_added,
    mistakes,
    recorded_command,
    run_recorded,
    tally,
    unittest_python,
    wanted_file,
)
from srft_assets.outcomes.status import NAMED_TESTS, Run, Status, TestOutcome, cut_log, encodable
from srft_assets.outcomes.task import TaskInstance
from srft_assets.sandbox import Completed, Limits, Sandbox, SandboxError
from srft_assets.warehouse.stage import Progress

GRADER = "srft-local"
GRADER_VERSION = "2"
MAX_PATCH_BYTES = 10_000_000
APPLYING = Limits(wall_seconds=600, cpu_seconds=20)
"""A patch can cost CPU time, which counts against it; a second is much. That so little of it takes
so long is the machine's doing."""
SET_UP_FAILED, PATCH_REFUSED = 20, 21
"""Exit codes of `GNU_PATCH`."""
GNU_PATCH = f"""\
(
  command -v patch >/dev/null || {{ echo "GNU patch is not installed"; exit {SET_UP_FAILED}; }}
  own=$(mktemp -d ./XXXXXXXXXXXX) && mv .git "$own/" || exit {SET_UP_FAILED}
  patch --unified --batch --forward --fuzz=5 -p1 -i "$own/.git/model.patch" && taken=0
  rm -rf .git && mv "$own/.git" . && rmdir "$own" || exit {PATCH_REFUSED}
  exit ${{taken-{PATCH_REFUSED}}}
)"""
"""Applies `.git/model.patch` as the last try of SWE-bench's harness, after `git apply`
(`run_evaluation.GIT_APPLY_CMDS`); `--3way` and `--reject` take no patch of clean files that
`git apply` refuses. GNU patch writes wherever it is told in the folder: `.git` has a name meanwhile
that no patch can know, and `--unified` keeps it from running ed scripts."""
RECORDER, CALLER = ".git/recorder.py", ".git/caller.py"
WANTED, CALLS, APPLY = ".git/wanted.json", ".git/calls.json", ".git/apply.sh"
"""Names of tests and files are given in files: Linux takes no argument of 128 KiB."""
DIFFED = re.compile(r"^diff --git a/(.+?) b/(.+)$", re.MULTILINE)
NO_CONVERSION = "* -text -eol -ident -filter -working-tree-encoding\n"
"""Attributes that outrank those a patch brings."""
HOOKS = (
    *("conftest*", "sitecustomize*", "usercustomize*", "*.pth", "*.egg-info", "*.dist-info"),
    *("pytest.ini", ".pytest.ini", "pytest.toml", ".pytest.toml"),
    *("pyproject.toml", "tox.ini", "setup.cfg"),
)
"""Names of files and folders that Python or pytest reads unasked, as patterns."""
TEST_FILE = re.compile(r"(?:^|/)(?:tests?/|testing/|test_[^/]*\.py$|[^/]*_test\.py$|conftest\.py$)")
UNNEST = "find . -mindepth 2 -name .git -prune -exec rm -rf -- {} +"
"""Makes repositories inside the tree plain folders: `git clean` looks into no repository."""


class BadTaskError(SrftError):
    """The task itself cannot be graded; no run of it can be blamed."""


def grade_runs(
    runs: Iterable[Run],
    tasks: Mapping[str, TaskInstance],
    sandbox: Sandbox,
    progress: Progress,
    label: str,
) -> dict[str, TestOutcome]:
    """Trajectory id → outcome, graded in one thread a CPU.

    Runs that submitted the same patch for the same task are graded once.
    """
    same: dict[tuple[str, str | None], list[Run]] = {}
    for run in runs:
        same.setdefault((run.instance_id, run.submission), []).append(run)

    def grade(key: tuple[str, str | None]) -> list[TestOutcome]:
        first, *_ = same[key]
        outcome = grade_patch(tasks[key[0]], key[1], sandbox, trajectory_id=first.trajectory_id)
        return [replace(outcome, trajectory_id=run.trajectory_id) for run in same[key]]

    pool = ThreadPoolExecutor(os.cpu_count() or 2, thread_name_prefix="grade")
    try:
        futures = as_completed([pool.submit(grade, key) for key in same])
        done = progress.track(futures, label, total=len(same))
        return {one.trajectory_id: one for future in done for one in future.result()}
    finally:
        pool.shutdown(cancel_futures=True)


def grade_patch(
    task: TaskInstance,
    patch: str | None,
    sandbox: Sandbox,
    *,
    trajectory_id: str,
    limits: Limits | None = None,
) -> TestOutcome:
    """Apply `patch` to a clean copy of the task, put its tests in place, and run them.

    Resolved where every FAIL_TO_PASS and PASS_TO_PASS test passes and the run of these tests, which
    are the only ones, exits with 0. The sandbox's own failure and a task that cannot be graded give
    `infra_error`; this never raises for what a patch holds, nor for what its code answers.
    What a patch may try, and what holds it, stands in docs/threats.md.
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
        with scratch("srft-grade-") as folder:
            return _grade(task, patch, sandbox, folder, limits or Limits(), blank)
    except Exception as error:  # noqa: BLE001 the trouble of one run is no other's
        return replace(blank, reason=_told(error))


def _told(error: Exception) -> str:
    return encodable(str(error)) or type(error).__name__


def _grade(
    task: TaskInstance,
    patch: str,
    sandbox: Sandbox,
    folder: Path,
    limits: Limits,
    blank: TestOutcome,
) -> TestOutcome:
    calls = _calls(task)
    results = f".git/results-{secrets.token_hex(8)}.jsonl"
    command, arguments = _command(task, results)
    lay_out(task, patch, calls, arguments, folder)
    with sandbox.entered(folder, limits) as inside:
        run = partial(inside.run, workdir=folder)
        ready = run(set_up_script(task), limits=APPLYING)
        if ready.returncode:
            reason = f"the task could not be set up: {_last_line(ready.output)}"
            return replace(blank, reason=reason, log=cut_log(ready.output))
        # From here on, what fails is the patch's own doing, but for a program that is not there.
        cpu = f"ulimit -t {APPLYING.cpu_seconds}"  # others bound all commands of the sandbox
        applied = run(f"{cpu}; bash {APPLY}", limits=APPLYING)
        if why := not_the_patch(applied):
            return replace(blank, reason=why)
        if applied.returncode:
            why, log = _last_line(applied.output), cut_log(applied.output)
            return replace(blank, status=Status.PATCH_FAILED, reason=why, log=log)
        try:
            if calls is None:
                own = any(path.endswith("_pytest/__init__.py") for path in task.files)
                bounds: dict[str, Any] = {"workdir": folder, "limits": limits}
                env = {recorder.TESTED_PYTEST: "1"} if own else {}
                ran = run_recorded(inside, command, results, **bounds, env=env)
            else:
                # As the recorder is run, so that the environment counts for both alike.
                asking = f"{unittest_python(task.test_command)} -s -B {CALLER} {CALLS}"
                ran = _answered(calls, run(asking, limits=limits))
            return _judge(task, *ran, blank, limits)
        except (SandboxError, OSError):
            raise
        except Exception as error:  # noqa: BLE001 what no reader of answers foresaw is no pass
            return replace(blank, status=Status.UNRESOLVED, reason=_told(error))


def not_the_patch(applied: Completed) -> str:
    """Why a patch could not be applied, where the machine is to blame; empty where it is not."""
    if applied.timed_out:
        return f"the machine took more than {APPLYING.wall_seconds:g} s to apply the patch"
    if applied.returncode == SET_UP_FAILED:
        return f"the task could not be set up: {_last_line(applied.output)}"
    return ""


def _calls(task: TaskInstance) -> dict[str, list[Call]] | None:
    """Wanted test → calls; None where the tests, or the command that runs them, are of another
    kind."""
    if unittest_python(task.test_command) is None:
        return None
    added = files_added(task.test_patch)
    wanted = [*task.fail_to_pass, *task.pass_to_pass]
    return None if added is None else calls_of({**task.files, **added}, wanted)


def _command(task: TaskInstance, results: str) -> tuple[str, list[str]]:
    """What runs the wanted tests and writes what they said to a file, and the runner's arguments.

    Raises BadTaskError where nothing can.
    """
    wanted = [*task.fail_to_pass, *task.pass_to_pass]
    command = recorded_command(task.test_command, [RECORDER, results, WANTED], wanted)
    if command is None:
        raise BadTaskError(
            f"test command {task.test_command!r}: only `python -m unittest …` and `python -m "
            "pytest …` can be graded, as what other commands print can be forged"
        )
    return command


def _answered(calls: Mapping[str, Sequence[Call]], ran: Completed) -> tuple[Recorded, Completed]:
    """Results of tests that are calls, which were made in the sandbox and are compared here."""
    said, _, last = ran.output.rstrip("\n").rpartition("\n")
    answers: Any = None
    with contextlib.suppress(ValueError, RecursionError):
        answers = json.loads(last)
    finished = isinstance(answers, list)
    wrong = mistakes(calls, answers if finished else [])
    results = [(test, "failed" if lines else "passed") for test, lines in wrong.items()]
    told = [f"{test}: {line}" for test, lines in wrong.items() for line in lines]
    log = "\n".join([said if finished else ran.output, *told])
    return Recorded(results, finished), replace(ran, output=log)


def _judge(
    task: TaskInstance,
    recorded: Recorded,
    ran: Completed,
    blank: TestOutcome,
    limits: Limits,
) -> TestOutcome:
    f2p = tally(task.fail_to_pass, recorded.results)
    p2p = tally(task.pass_to_pass, recorded.results)
    counted = replace(blank, f2p_passed=f2p.passed, p2p_passed=p2p.passed, log=cut_log(ran.output))
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
    if ran.returncode:
        reason = f"the test run failed (exit code {ran.returncode})"
        return replace(counted, status=Status.UNRESOLVED, reason=reason)
    return replace(counted, status=Status.RESOLVED)


def _last_line(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "no message"


def lay_out(
    task: TaskInstance,
    patch: str,
    calls: Mapping[str, Sequence[Call]] | None,
    arguments: Sequence[str],
    folder: Path,
) -> None:
    """Write the task's files and, below `.git`, what the scripts need, into an empty folder.

    Raises BadTaskError for paths that would leave the folder.
    """
    for path, content in task.files.items():
        parts = PurePosixPath(path).parts
        if not parts or path.startswith("/") or {"..", ".git"} & {*parts} or "\0" in path:
            raise BadTaskError(f"task {task.instance_id}: bad path {path!r} among its files")
        target = folder.joinpath(*parts)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content, encoding="utf-8", newline="")
    own = folder / ".git"
    (own / "info").mkdir(parents=True)
    (own / "info" / "attributes").write_text(NO_CONVERSION)
    (own / "model.patch").write_bytes(_patch_bytes(patch))
    (own / "test.patch").write_bytes(_patch_bytes(task.test_patch))
    shutil.copyfile(recorder.__file__, folder / RECORDER)
    shutil.copyfile(caller.__file__, folder / CALLER)
    (folder / APPLY).write_text(apply_script(task, calls is None), encoding="utf-8")
    wanted = [*task.fail_to_pass, *task.pass_to_pass]
    (folder / WANTED).write_bytes(wanted_file(wanted, arguments))
    asked = [
        [one.module, one.function, one.arguments] for some in (calls or {}).values() for one in some
    ]
    (folder / CALLS).write_bytes(orjson.dumps(asked))


def set_up_script(task: TaskInstance) -> str:
    """Take the clean state into an index, and see that the task's own test patch fits it."""
    fits = "git apply --check --whitespace=nowarn .git/test.patch"
    return f"git init -q . && git add -A -f . {f'&& {fits}' if task.test_patch else ''}"


def apply_script(task: TaskInstance, with_tests: bool) -> str:
    """Apply the model's patch, then put the task's tests in place, as SWE-bench does, or take
    them out.

    The index keeps the clean state. Test files and hooks that the patch changed come back from it;
    those it added are removed, and with them whatever Python would import in their stead (a package
    or extension of the same name, bytecode).
    """
    tests = sorted(own_tests(task))
    kept = [path for path in task.files if path in tests or is_hook(path)]
    gone = [path for path in tests if path not in task.files]
    lines = [f"git apply --whitespace=nowarn .git/model.patch || {GNU_PATCH} || exit"]
    lines.append(f"{UNNEST} || exit")
    if kept:
        lines.append(_git("checkout -q", kept, literal=True))
    if gone:
        lines.append(_git("clean -ffdxq", gone, literal=True))
    lines.append(_git("clean -ffdxq", intruders(tests), literal=False))
    if not with_tests:
        lines.append(f"rm -rf -- .git/*.patch {shlex.join(tests)} || exit")
    elif task.test_patch:
        lines.append("git apply --whitespace=nowarn .git/test.patch && rm .git/*.patch || exit")
    return "\n".join(lines)


def own_tests(task: TaskInstance) -> set[str]:
    """The task's test files: by their names, and all that `test_patch` touches."""
    named = {path for path in task.files if TEST_FILE.search(path)}
    return named.union(*(DIFFED.findall(task.test_patch)))


def is_hook(path: str) -> bool:
    """Whether a file is such, or lies in such a folder."""
    return any(fnmatchcase(part, hook) for part in PurePosixPath(path).parts for hook in HOOKS)


def intruders(tests: Iterable[str]) -> Sequence[str]:
    """Pathspecs of git for untracked files that must go before `tests` (files) are run: hooks,
    bytecode, what would be imported instead of a test, and what makes a test folder a package.
    """
    tests = [*tests]
    stems = [str(PurePosixPath(path).with_suffix("")) for path in tests if path.endswith(".py")]
    instead = [f"{escape(stem)}{ending}" for stem in stems for ending in ("", ".*")]
    hooks = [f"**/{hook}{inside}" for hook in HOOKS for inside in ("", "/**")]
    parents = {str(PurePosixPath(path).parent) for path in tests}
    folders = [one for one in sorted(parents) if TEST_FILE.search(f"{one}/")]
    packages = [f"{escape(one)}/__init__.*" for one in folders]
    return [f":(glob){place}" for place in (*instead, *packages, *hooks, "**/__pycache__/**")]


def _git(command: str, paths: Iterable[str], *, literal: bool) -> str:
    how = "git --literal-pathspecs" if literal else "git"
    return f"{how} {command} -- {shlex.join(paths)} || exit"


def _patch_bytes(patch: str) -> bytes:
    """Git takes a patch without its last newline for a torn one."""
    ended = patch if not patch or patch.endswith("\n") else patch + "\n"
    return ended.encode("utf-8", "surrogatepass")
