"""Generated tasks: small repositories with planted bugs, as rows of the SWE-bench schema."""

import difflib
import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from srft_assets.agent.protocol import GIT_ENV
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
from srft_assets.outcomes.task import TaskInstance

CHECK = "python3 check.py"
"""The command that the agent runs the tests with."""

CREATED, CREATED_SECONDS = "2025-01-01T00:00:00Z", 1_735_689_600
"""The date in `GIT_ENV`."""

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


HIDDEN = "test_hidden.py"
"""The file that a task's `test_patch` adds: tests that the agent never sees."""


class TaskSettings(BaseModel):
    """How hard generated tasks are."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    functions: int = Field(default=6, ge=1, le=9)
    """Functions of a module."""
    bug_weights: tuple[PositiveInt, ...] = Field(default=(3, 3, 3, 3), min_length=1)
    """How often a task has one, two, three, … planted bugs, relative to one another."""


def generate_tasks(
    count: int, seed: int, settings: TaskSettings = TaskSettings()
) -> list[TaskInstance]:
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
    seen = {
        function.name.function: telling_cases(function, [broken[place]], rng)
        if place in broken
        else [draw_case(function, rng)]
        for place, function in enumerate(right)
    }
    hidden = {f.name.function: telling_cases(f, variants(f), rng) for f in right}

    source, tests = f"{module}.py", f"test_{module}.py"
    files = {
        "check.py": Path(check.__file__).read_text(encoding="utf-8"),
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
        created_at=CREATED,
        FAIL_TO_PASS=_test_ids(module, failing),
        PASS_TO_PASS=_test_ids(module, passing),
        files=files,
        test_command="python3 -m unittest -v",
    )


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


def commit_id(files: Mapping[str, str]) -> str:
    """The commit that `working_copy` makes of these files, all of them in the root folder, without
    starting git: https://git-scm.com/book/en/v2/Git-Internals-Git-Objects.
    """
    tree = b"".join(
        b"100644 " + name.encode() + b"\0" + _object_id("blob", content.encode())
        for name, content in sorted(files.items())
    )
    person = f"{GIT_ENV['GIT_AUTHOR_NAME']} <{GIT_ENV['GIT_AUTHOR_EMAIL']}> {CREATED_SECONDS} +0000"
    text = f"tree {_object_id('tree', tree).hex()}\nauthor {person}\ncommitter {person}\n\n"
    return _object_id("commit", f"{text}base\n".encode()).hex()


def git_diff(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """What `git diff` prints for changed and new files, in name order; '' where nothing changed."""
    return "".join(
        _file_diff(name, before.get(name), after[name])
        for name in sorted(after)
        if before.get(name) != after[name]
    )


def _file_diff(name: str, old: str | None, new: str) -> str:
    head = f"diff --git a/{name} b/{name}\n"
    blob = _object_id("blob", new.encode()).hex()[:7]
    if old is None:
        head += f"new file mode 100644\nindex 0000000..{blob}\n"
    else:
        head += f"index {_object_id('blob', old.encode()).hex()[:7]}..{blob} 100644\n"
    before = (old or "").splitlines(keepends=True)
    titles = "/dev/null" if old is None else f"a/{name}", f"b/{name}"
    lines = difflib.unified_diff(before, new.splitlines(keepends=True), *titles)
    return head + "".join(_with_function(line, before) for line in lines)


def _with_function(line: str, before: list[str]) -> str:
    """Git ends a hunk's header with the last unindented line above the hunk."""
    hunk = re.match(r"@@ -(\d+)", line)
    if hunk is None:
        return line
    above = reversed(before[: max(0, int(hunk[1]) - 1)])
    title = next((text.strip()[:80] for text in above if text[0].isalpha()), "")
    return f"{line.rstrip()} {title}".rstrip() + "\n"


def _object_id(kind: str, body: bytes) -> bytes:
    return hashlib.sha1(f"{kind} {len(body)}\0".encode() + body, usedforsecurity=False).digest()
