"""Generated tasks: small repositories with planted bugs, as rows of the SWE-bench schema; and the
functions of these repositories: their words, what they compute, how they are broken.
"""

import difflib
import hashlib
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Literal

from pydantic import BaseModel, Field, PositiveInt

from srft_assets.agent.protocol import GIT_ENV
from srft_assets.lab import check
from srft_assets.outcomes.task import TaskInstance

Family = Literal["number", "truth"]

OPERATORS: dict[Family, tuple[str, ...]] = {
    "number": ("+", "-", "*", "//", "%"),
    "truth": ("<", "<=", ">", ">=", "==", "!="),
}
"""Any operator of the family makes sense for any function of it, so the name of a function does
not give the operator away: it has to be looked up in what the tests say."""

CONSTANTS = (2, 3, 5, 7, 10, 12, 24, 60)

OF_OPERATOR: dict[str, tuple[str, Callable[[int, int], int | bool]]] = {
    "<": ("<=", operator.lt),
    "<=": ("<", operator.le),
    ">": (">=", operator.gt),
    ">=": (">", operator.ge),
    "==": (">=", operator.eq),
    "!=": ("<", operator.ne),
    "+": ("-", operator.add),
    "-": ("+", operator.sub),
    "*": ("+", operator.mul),
    "//": ("%", operator.floordiv),
    "%": ("//", operator.mod),
}
"""Operator → the one that a hasty reader takes for it, and what it computes."""


@dataclass(frozen=True, slots=True)
class Name:
    """A function's name with its arguments; one argument means that a constant is the other."""

    function: str
    arguments: tuple[str, ...]
    family: Family


def _names(*lines: str) -> tuple[Name, ...]:
    """`number total price tax` → a Name."""
    names = []
    for line in lines:
        family, function, *arguments = line.split()
        names.append(Name(function, tuple(arguments), family))  # type: ignore[arg-type]  # the first words below are its literals
    return tuple(names)


MODULES: dict[str, tuple[Name, ...]] = {
    "shop": _names(
        "number total price tax",
        "number margin sales cost",
        "number refund paid fee",
        "number share profit people",
        "truth cheap offer limit",
        "truth full stock shelf",
        "truth urgent orders staff",
        "number bonus points",
        "number boxes items",
    ),
    "garden": _names(
        "number area width length",
        "number water rain sun",
        "number harvest plants yields",
        "number rows seeds gap",
        "truth tall height fence",
        "truth ripe age season",
        "truth dry soil need",
        "number weeds weeks",
        "number bags sand",
    ),
    "bank": _names(
        "number balance income rent",
        "number loan debt rate",
        "number savings cash bills",
        "number split gift heirs",
        "truth rich wealth goal",
        "truth safe risk cap",
        "truth open hour close",
        "number coins notes",
        "number years months",
    ),
    "game": _names(
        "number score hits misses",
        "number damage power armor",
        "number energy food work",
        "number team players groups",
        "truth alive life harm",
        "truth win own other",
        "truth fast speed pace",
        "number level wins",
        "number bonus gems",
    ),
    "road": _names(
        "number distance north east",
        "number fuel trips tank",
        "number load weight cargo",
        "number seats cars buses",
        "truth late arrival plan",
        "truth steep slope grade",
        "truth near here there",
        "number hours minutes",
        "number tolls gates",
    ),
    "kitchen": _names(
        "number portion bread guests",
        "number mix flour milk",
        "number heat oven time",
        "number plates tables chairs",
        "truth hot warm boil",
        "truth sweet sugar salt",
        "truth enough rice eaters",
        "number eggs hens",
        "number cups jugs",
    ),
}
"""Within a module no first argument is the beginning of another, so that `return price` names
one function; every function returns one expression over its arguments."""


Case = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Function:
    """One function with one expression, `left operator right`; `right` may be a constant."""

    name: Name
    operator: str
    constant: int | None = None

    @property
    def expression(self) -> str:
        right = self.name.arguments[1] if self.constant is None else self.constant
        return f"{self.name.arguments[0]} {self.operator} {right}"

    @property
    def source(self) -> str:
        head = f"def {self.name.function}({', '.join(self.name.arguments)}):"
        return f"{head}\n    return {self.expression}\n"

    def call(self, case: Case) -> int | bool:
        """What its expression gives for these arguments."""
        right = case[1] if self.constant is None else self.constant
        return OF_OPERATOR[self.operator][1](case[0], right)


def draw_function(name: Name, rng: Random) -> Function:
    """A right function: any operator of its family, a constant where it has one argument."""
    constant = rng.choice(CONSTANTS) if len(name.arguments) == 1 else None
    return Function(name, rng.choice(OPERATORS[name.family]), constant)


def variants(function: Function) -> list[Function]:
    """Every function that differs from this one in its operator or in its constant."""
    others = [op for op in OPERATORS[function.name.family] if op != function.operator]
    found = [replace(function, operator=operator) for operator in others]
    if function.constant is not None:
        found += [replace(function, constant=c) for c in CONSTANTS if c != function.constant]
    return found


def draw_case(function: Function, rng: Random) -> Case:
    """Arguments from 1 to 30; two equal ones now and then, where comparisons differ."""
    first = rng.randint(1, 30)
    if len(function.name.arguments) == 1:
        return (first,)
    return (first, first if rng.random() < 0.2 else rng.randint(1, 12))


def telling_cases(right: Function, wrong: Sequence[Function], rng: Random) -> list[Case]:
    """The first cases of a random sequence that tell `right` from every one of `wrong`."""
    cases: list[Case] = []
    left = list(wrong)
    for _ in range(1000):
        if not left:
            return cases
        case = draw_case(right, rng)
        told = [function for function in left if function.call(case) != right.call(case)]
        if told:
            cases.append(case)
            left = [function for function in left if function not in told]
    raise AssertionError(f"no case tells {right.expression} from {left[0].expression}")


CHECK = "python3 check.py"
"""The command that the agent runs the tests with."""

CREATED, CREATED_SECONDS = "2025-01-01T00:00:00Z", 1_735_689_600
"""The date in `GIT_ENV`."""

Cases = Mapping[str, Sequence[Case]]
"""Function name → arguments of its test."""


def module_source(functions: Sequence[Function]) -> str:
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


class TaskSettings(BaseModel, extra="forbid", frozen=True):
    """How hard generated tasks are."""

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
