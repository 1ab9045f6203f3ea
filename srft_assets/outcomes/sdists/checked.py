"""Whether an instance can be graded here at all: its tests without and with the fix."""

import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from srft_assets.outcomes.results import tally
from srft_assets.outcomes.sdists.cache import Cache, short
from srft_assets.outcomes.sdists.environment import Environment
from srft_assets.outcomes.sdists.errors import NotBuiltError
from srft_assets.outcomes.sdists.recipes import Recipe
from srft_assets.outcomes.sdists.running import Ran, run_tests
from srft_assets.outcomes.sdists.source import Source
from srft_assets.outcomes.sdists.tree import check_out, tests_script
from srft_assets.outcomes.task import TaskInstance
from srft_assets.sandbox import Limits, open_sandbox
from srft_assets.warehouse.placing import place

SETTING_UP = Limits(wall_seconds=120, cpu_seconds=120, memory_mb=2048)


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
    it. Raises NotBuiltError where the tests with the fix do not come to their end, or any not in
    time; that is not kept.
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
    fixed = _run(task, recipe, source, source.solved, environment, limits)
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
    broken = _run(task, recipe, source, source.base, environment, limits)
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
    recipe: Recipe,
    source: Source,
    commit: str,
    environment: Environment,
    limits: Limits,
) -> Ran:
    with tempfile.TemporaryDirectory(prefix="srft-check-", ignore_cleanup_errors=True) as name:
        tree = Path(name)
        check_out(source, commit, tree)
        shown = open_sandbox(readonly=[source.repository])
        script = tests_script(task, source, recipe)
        put = shown.run(script, workdir=tree, limits=SETTING_UP)
        if put.returncode:
            raise NotBuiltError(f"the tests cannot be put in place: {_last_line(put.output)}")
        ran = run_tests(task, recipe, environment, tree, limits)
    if ran.completed.timed_out:
        raise NotBuiltError(
            f"the tests of {source.name} took longer than {limits.wall_seconds:g} s"
        )
    return ran


def _last_line(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return lines[-1][:200] if lines else "no message"
