"""Generated tasks: small repositories with planted bugs, as rows of the SWE-bench schema."""

import inspect
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from random import Random

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from srft_assets.lab import check
from srft_assets.lab.functions import (
    MODULES,
    Case,
    Function,
    draw_case,
    draw_function,
    telling_cases,
    variants,
)
from srft_assets.lab.git_objects import commit_id, git_diff
from srft_assets.outcomes.task import TaskInstance

CHECK = "python3 check.py"
"""The command that the agent runs the tests with."""

Cases = Mapping[str, Sequence[Case]]
"""Function name → arguments of its test."""


def module_source(functions: Sequence[Function]) -> str:
    """The module, functions in the order given."""
    return "\n\n".join(function.source for function in functions)


def test_source(module: str, title: str, functions: Sequence[Function], cases: Cases) -> str:
    """A unittest file; what a function should return is the message of its assertions."""
    lines = [
        "import unittest",
        "",
        f"import {module}",
        "",
        "",
        f"class {title}(unittest.TestCase):",
    ]
    for function in functions:
        name = function.name.function
        lines.append(f"    def test_{name}(self):")
        for case in cases[name]:
            call = f"{module}.{name}({', '.join(map(str, case))})"
            lines.append(
                f'        self.assertEqual({call}, {function.call(case)}, "{function.expression}")'
            )
        lines.append("")
    return "\n".join(lines)


@cache
def check_source() -> str:
    """`check.py` as it is shipped in every repository."""
    return Path(inspect.getfile(check)).read_text(encoding="utf-8")


TEST_COMMAND = "python3 -m unittest -v"
HIDDEN = "test_hidden.py"
"""The file that a task's `test_patch` adds: tests that the agent never sees."""


class TaskSettings(BaseModel):
    """How hard generated tasks are."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    functions: int = Field(default=6, ge=1, le=9)
    """Functions of a module."""
    bug_weights: tuple[PositiveInt, ...] = Field(default=(3, 3, 3, 3), min_length=1)
    """How often a task has one, two, three, … planted bugs, relative to one another."""


DEFAULT = TaskSettings()


def generate_tasks(count: int, seed: int, settings: TaskSettings = DEFAULT) -> list[TaskInstance]:
    """The first `count` tasks of a seed; the same arguments give the same bytes.

    Each task has one or more functions with a wrong operator or constant. A visible test fails
    for every one of them, and its message is the right expression. The hidden tests
    (`test_patch`) also tell apart operators that the visible ones may confuse, such as `<`
    and `<=`. Instance ids carry the seed, so tasks of different seeds never share an id.
    """
    return [_task(seed, index, settings) for index in range(count)]


def _task(seed: int, index: int, settings: TaskSettings) -> TaskInstance:
    rng = Random(f"task/{seed}/{index}")
    module = rng.choice(list(MODULES))
    names = rng.sample(MODULES[module], settings.functions)
    right = [draw_function(name, rng) for name in names]
    weights = settings.bug_weights
    bugs = rng.choices(range(1, len(weights) + 1), weights)[0]
    places = rng.sample(range(settings.functions), bugs)
    broken = {place: rng.choice(variants(right[place])) for place in places}
    planted = [broken.get(place, function) for place, function in enumerate(right)]
    seen = _visible_cases(right, broken, rng)
    hidden = {f.name.function: telling_cases(f, variants(f), rng) for f in right}

    source, tests = f"{module}.py", f"test_{module}.py"
    files = {
        "check.py": check_source(),
        source: module_source(planted),
        tests: test_source(module, "Test", right, seen),
    }
    failing = [planted[place].name.function for place in sorted(broken)]
    passing = [f.name.function for f in right if f.name.function not in failing]
    _verify(right, planted, seen, hidden, failing)
    return TaskInstance(
        instance_id=f"lab__{module}-{seed}-{index:04d}",
        repo=f"lab/{module}",
        base_commit=commit_id(files),
        problem_statement=f"Tests of {source} fail. Fix {source}.\nTests: {CHECK}",
        patch=git_diff(files, {source: module_source(right)}),
        test_patch=git_diff({}, {HIDDEN: test_source(module, "Hidden", right, hidden)}),
        version="1",
        created_at="2025-01-01T00:00:00Z",
        FAIL_TO_PASS=_test_ids(module, failing),
        PASS_TO_PASS=_test_ids(module, passing),
        files=files,
        test_command=TEST_COMMAND,
    )


def _visible_cases(
    right: list[Function], broken: dict[int, Function], rng: Random
) -> dict[str, list[Case]]:
    """One case a function, that shows the planted bug where there is one."""
    return {
        function.name.function: telling_cases(function, [broken[place]], rng)
        if place in broken
        else [draw_case(function, rng)]
        for place, function in enumerate(right)
    }


def _verify(
    right: list[Function],
    planted: list[Function],
    seen: dict[str, list[Case]],
    hidden: dict[str, list[Case]],
    failing: list[str],
) -> None:
    """Exactly the broken functions fail, in the visible and in the hidden tests."""
    for good, actual in zip(right, planted, strict=True):
        name = good.name.function
        for cases in (seen[name], hidden[name]):
            fails = any(good.call(case) != actual.call(case) for case in cases)
            if fails != (name in failing):
                raise AssertionError(f"tests of {name} do not tell its bug")


def _test_ids(module: str, functions: list[str]) -> list[str]:
    """As unittest prints them with `-v`."""
    classes = (f"test_{module}.Test", "test_hidden.Hidden")
    return [f"test_{name} ({cls}.test_{name})" for cls in classes for name in functions]
