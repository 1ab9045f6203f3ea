"""The tests of a task, and whether it can be graded here: they run without and with the fix."""

import secrets
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from srft_assets.files import place, scratch
from srft_assets.home import Home
from srft_assets.outcomes import recorder
from srft_assets.outcomes.grader_choice import Grading
from srft_assets.outcomes.results import Recorded, run_recorded, tally, wanted_file
from srft_assets.outcomes.sandbox_grader import APPLYING
from srft_assets.outcomes.task import TaskInstance
from srft_assets.sandbox import Completed, Limits, open_sandbox
from srft_sdists.build import Cache, NotBuiltError, short
from srft_sdists.environment import Environment, environment_of
from srft_sdists.git import test_files
from srft_sdists.recipes import Recipe, recipe_of
from srft_sdists.source import Source, source_of
from srft_sdists.tree import check_out, tests_script

RECORDER, WANTED, SCRIPT = ".git/recorder.py", ".git/wanted.json", ".git/script.sh"


@dataclass(frozen=True, slots=True)
class Ran:
    """A finished test run."""

    recorded: Recorded
    completed: Completed


def run_tests(
    task: TaskInstance,
    wanted: Sequence[str],
    recipe: Recipe,
    environment: Environment,
    tree: Path,
    limits: Limits,
) -> Ran:
    """Run the wanted tests, and no others, of the files of the task's test patch; no network,
    nothing writable but the tree.

    Raises SandboxError where the sandbox itself fails.
    """
    shutil.copyfile(recorder.__file__, tree / RECORDER)
    (tree / WANTED).write_bytes(wanted_file(wanted, arguments(task, recipe)))
    results = f"results-{secrets.token_hex(8)}.jsonl"
    sandbox = open_sandbox(readonly=environment.readonly)
    shell, variables = command(recipe, results), {"PATH": environment.path}
    if task.repo == "pytest-dev/pytest":
        variables[recorder.TESTED_PYTEST] = "1"
    with sandbox.entered(tree, limits) as inside:
        recorded, done = run_recorded(
            inside, shell, f".git/{results}", workdir=tree, limits=limits, env=variables
        )
    return Ran(Recorded(named(recipe, recorded.results), recorded.finished), done)


def command(recipe: Recipe, results: str) -> str:
    """Shell command that runs the tests and leaves their results at `.git/<results>`."""
    places = ":".join("$PWD" if place == "." else f"$PWD/{place}" for place in recipe.path)
    given = f'"$PWD/{RECORDER}" "$PWD/.git/{results}" "$PWD/{WANTED}"'
    start = f'TESTED_PATH="{places}" python -s {given}'
    if recipe.runner == "django":
        return f'root="$PWD"; cd tests; {_at_root(start)} script'
    return f"{start} pytest"


def arguments(task: TaskInstance, recipe: Recipe) -> list[str]:
    """Of the runner: the files of the task's test patch, and how they are run."""
    files = test_files(task.test_patch)
    if recipe.runner == "django":
        options = ["--verbosity", "2", "--settings=test_sqlite", "--parallel", "1"]
        return ["runtests.py", *options, *map(_label, files)]
    slow = ["-m", "not slow"] if recipe.runner == "sympy" else []
    return ["-p", "no:cacheprovider", "-rA", "--tb=short", *slow, *files]


def _at_root(start: str) -> str:
    return start.replace("$PWD", "$root")


def _label(path: str) -> str:
    """`tests/admin_views/tests.py` → `admin_views.tests`."""
    return path.removesuffix(".py").removeprefix("tests/").replace("/", ".")


def named(recipe: Recipe, results: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Results under the names that SWE-bench has for the tests.

    It cuts pytest's ids at the first blank, and sympy's are bare function names.
    """
    if recipe.runner == "django":
        return [*results]
    found = []
    for test, outcome in results:
        found.append((test, outcome))
        if recipe.runner == "sympy":
            found.append((test.rpartition("::")[2].partition("[")[0], outcome))
        elif " " in test:
            found.append((test.split()[0], outcome))
    return found


def run_script(script: str, source: Source, tree: Path) -> Completed:
    """Run a shell script in the tree, from a file: it may name more than an argument holds.

    Raises SandboxError where the sandbox itself fails.
    """
    (tree / SCRIPT).write_text(script, encoding="utf-8")
    shown = open_sandbox(readonly=[source.repository])
    limits = APPLYING.model_copy(update={"memory_mb": 2048})
    return shown.run(f"bash {SCRIPT}", workdir=tree, limits=limits)


@dataclass(frozen=True, slots=True)
class Checked:
    """What is known of an instance.

    Attributes:
        pass_to_pass: those that pass with the fix; others cannot be asked of a patch here.
        reason: why the instance cannot be graded, empty where it can.
        seconds: of the test run with the fix.
    """

    pass_to_pass: tuple[str, ...]
    reason: str
    seconds: float


def checked(
    task: TaskInstance,
    recipe: Recipe,
    source: Source,
    environment: Environment,
    limits: Limits,
    cache: Cache,
) -> Checked:
    """Run the tests with the fix, then without it; kept for the next time.

    Gradable is what has every FAIL_TO_PASS test pass with the fix, and not all of them without
    it, and where the tests that pass with the fix exit with 0 when they are run alone. Raises
    NotBuiltError where the tests with the fix do not come to their end, or any not in time; that is
    not kept.
    """
    key = short(
        [
            task.model_dump(
                mode="json", by_alias=True, exclude={"problem_statement", "hints_text"}
            ),
            recipe.model_dump(mode="json"),
            source.kind,
            source.name,
            environment.folder.name,
            limits.memory_mb,
        ]
    )
    path = cache.root / "checked" / f"{task.instance_id}.{key}.json"
    with cache.lock("checked", task.instance_id):
        if path.exists():
            kept = orjson.loads(path.read_bytes())
            return Checked(tuple(kept["pass_to_pass"]), kept["reason"], kept["seconds"])
        found = _check(task, recipe, source, environment, limits)
        place(path, orjson.dumps(asdict(found)))
        return found


def _check(
    task: TaskInstance, recipe: Recipe, source: Source, environment: Environment, limits: Limits
) -> Checked:
    wanted = [*task.fail_to_pass, *task.pass_to_pass]
    fixed = _run(task, wanted, recipe, source, source.solved, environment, limits)
    if not fixed.recorded.finished:
        raise NotBuiltError(
            f"the tests of {source.name} ended early (exit code {fixed.completed.returncode}): "
            f"{_last_line(fixed.completed.output)}"
        )
    f2p = tally(task.fail_to_pass, fixed.recorded.results)
    p2p = tally(task.pass_to_pass, fixed.recorded.results)
    kept = tuple(test for test in task.pass_to_pass if test not in set(p2p.missing))
    seconds = fixed.completed.seconds
    if f2p.missing or not f2p.total:
        said = _last_line(fixed.completed.output) if not fixed.recorded.results else ""
        reason = (
            f"with the reference solution only {f2p.passed} of {f2p.total} FAIL_TO_PASS tests pass"
            f" on {source.name}{f': {said}' if said else ''}"
        )
        return Checked(kept, reason, seconds)
    wanted = [*task.fail_to_pass, *kept]
    if fixed.completed.returncode:
        again = _run(task, wanted, recipe, source, source.solved, environment, limits)
        if code := again.completed.returncode:
            reason = f"the tests of {source.name} exit with {code} although all of them pass"
            return Checked(kept, reason, seconds)
    broken = _run(task, wanted, recipe, source, source.base, environment, limits)
    before = tally(task.fail_to_pass, broken.recorded.results)
    if before.passed == before.total:
        reason = (
            f"without the reference solution all {before.total} FAIL_TO_PASS tests pass on "
            f"{source.name}"
        )
        return Checked(kept, reason, seconds)
    return Checked(kept, "", seconds)


def _run(
    task: TaskInstance,
    wanted: Sequence[str],
    recipe: Recipe,
    source: Source,
    commit: str,
    environment: Environment,
    limits: Limits,
) -> Ran:
    with scratch("srft-check-") as tree:
        check_out(source, commit, tree)
        put = run_script(tests_script(task, source, recipe), source, tree)
        if put.returncode:
            raise NotBuiltError(f"the tests cannot be put in place: {_last_line(put.output)}")
        ran = run_tests(task, wanted, recipe, environment, tree, limits)
    if ran.completed.timed_out:
        raise NotBuiltError(
            f"the tests of {source.name} took longer than {limits.wall_seconds:g} s"
        )
    return ran


def _last_line(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return lines[-1][:200] if lines else "no message"


@dataclass(frozen=True, slots=True)
class Ready:
    """An instance that can be graded."""

    recipe: Recipe
    source: Source
    environment: Environment
    known: Checked


def make_ready(task: TaskInstance, home: Home, grading: Grading) -> Ready:
    """Get source and environment, and try the instance with its reference solution.

    All of it is kept. Raises NotBuiltError with the reason where it cannot be graded.
    """
    cache = Cache.of(home)
    recipe = recipe_of(task)
    source = source_of(task, cache, Path(grading.sources) if grading.sources else None)
    environment = environment_of(task, source.release, cache)
    known = checked(task, recipe, source, environment, limits_of(grading), cache)
    if known.reason:
        raise NotBuiltError(known.reason)
    return Ready(recipe, source, environment, known)


def limits_of(grading: Grading) -> Limits:
    """Bounds of one test run."""
    return Limits(
        wall_seconds=grading.timeout,
        cpu_seconds=grading.timeout,
        memory_mb=int(grading.memory_gb * 1024),
        file_mb=256,
        processes=512,
    )
