"""The tests of a task, run in the sandbox on a tree that is ready for them."""

import secrets
import shlex
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from srft_assets.outcomes import recorder
from srft_assets.outcomes.results import Recorded, read_recorded
from srft_assets.outcomes.sdists.environment import Environment
from srft_assets.outcomes.sdists.patches import test_files
from srft_assets.outcomes.sdists.recipes import Recipe
from srft_assets.outcomes.task import TaskInstance
from srft_assets.sandbox import Completed, Limits, open_sandbox

RECORDER = ".git/recorder.py"


@dataclass(frozen=True, slots=True)
class Ran:
    """A finished test run."""

    recorded: Recorded
    completed: Completed


def run_tests(
    task: TaskInstance, recipe: Recipe, environment: Environment, tree: Path, limits: Limits
) -> Ran:
    """Run the test files of the task's test patch; no network, nothing writable but the tree.

    Raises SandboxError where the sandbox itself fails.
    """
    shutil.copyfile(recorder.__file__, tree / RECORDER)
    results = f"results-{secrets.token_hex(8)}.jsonl"
    sandbox = open_sandbox(readonly=environment.readonly)
    done = sandbox.run(
        command(task, recipe, results),
        workdir=tree,
        limits=limits,
        env={"PATH": environment.path},
    )
    recorded = read_recorded(tree, results)
    return Ran(Recorded(named(recipe, recorded.results), recorded.finished), done)


def command(task: TaskInstance, recipe: Recipe, results: str) -> str:
    """Shell command that runs the tests and leaves their results at `.git/<results>`."""
    files = test_files(task.test_patch)
    places = ":".join("$PWD" if place == "." else f"$PWD/{place}" for place in recipe.path)
    start = f'TESTED_PATH="{places}" python "$PWD/{RECORDER}" "$PWD/.git/{results}"'
    if recipe.runner == "django":
        labels = shlex.join(_label(path) for path in files)
        options = "--verbosity 2 --settings=test_sqlite --parallel 1"
        return f'root="$PWD"; cd tests; {_at_root(start)} script runtests.py {options} {labels}'
    slow = " -m 'not slow'" if recipe.runner == "sympy" else ""
    return f"{start} pytest -p no:cacheprovider -rA --tb=short{slow} {shlex.join(files)}"


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
