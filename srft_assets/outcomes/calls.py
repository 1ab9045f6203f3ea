"""Tests that only compare what a call returns with a plain value.

The code under test answers such calls in the sandbox without knowing what is wanted; the answers
are JSON, compared here. So neither an object that equals everything nor a look at the test, at its
caller or at the recorder makes a wrong answer right.
"""

import ast
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import PurePosixPath
from typing import Any

from srft_assets.outcomes.results import canonical

ADDED = re.compile(r"^diff --git a/(.+?) b/\1\nnew file mode 100644\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Call:
    """`module.function(*arguments)`, and a plain value that equals what it should return."""

    module: str
    function: str
    arguments: tuple[Any, ...]
    wanted: Any

    def __str__(self) -> str:
        return f"{self.module}.{self.function}({', '.join(map(repr, self.arguments))})"


def calls_of(sources: Mapping[str, str], wanted: Sequence[str]) -> dict[str, list[Call]] | None:
    """Wanted test → its calls, by test files (path → source).

    None where some wanted test is of another kind: not `assertEqual(call, value)` or
    `assert call == value` alone, with values that JSON knows, or with a set-up or decorators.
    """
    found = dict(chain.from_iterable(_tests(path, source) for path, source in sources.items()))
    chosen = {test: found.get(canonical(test), []) for test in wanted}
    return chosen if all(chosen.values()) else None


def files_added(patch: str) -> dict[str, str] | None:
    """Path → content of a patch that only adds text files; None for any other patch."""
    _, *parts = ADDED.split(patch)
    files = {}
    for path, body in zip(parts[::2], parts[1::2], strict=True):
        head, mark, hunk = body.partition("\n@@ -0,0 ")
        _, *lines = hunk.splitlines()
        if not mark or "diff --git" in head or not all(line.startswith("+") for line in lines):
            return None
        files[path] = "".join(f"{line[1:]}\n" for line in lines)
    return files if files or not patch else None


def mistakes(calls: Mapping[str, Sequence[Call]], answers: Sequence[Any]) -> dict[str, list[str]]:
    """Test → what is wrong with the answers to its calls; `answers`: to all calls, in order."""
    given = chain(answers, repeat(None))
    said = {test: [_wrong(call, next(given)) for call in some] for test, some in calls.items()}
    return {test: [line for line in lines if line] for test, lines in said.items()}


def _wrong(call: Call, answer: Any) -> str:
    match answer:
        case {"returned": value}:
            return "" if value == call.wanted else f"{call} returned {value!r:.200}"
        case {"raised": str(what)}:
            return f"{call} raised {what[:200]}"
    return f"{call} has no answer"


def _tests(path: str, source: str) -> Iterator[tuple[str, list[Call]]]:
    """Name → calls of each plain test of a file, under unittest's and pytest's names."""
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError):
        return
    known: dict[str, tuple[str, str]] = {}
    tests: list[tuple[str, ast.FunctionDef]] = []
    for node in body:
        match node:
            case ast.Import(names=found):
                known |= {one.asname or one.name: (one.name, "") for one in found}
            case ast.ImportFrom(module=str(module), names=found, level=0):
                known |= {one.asname or one.name: (module, one.name) for one in found}
            case ast.ClassDef(decorator_list=[], body=methods) if _is_test_case(node):
                tests += [(f"{node.name}.{one.name}", one) for one in _functions(methods)]
            case ast.FunctionDef():
                tests.append((node.name, node))
            case _:
                return  # Any other statement may change what the tests do.
    module = ".".join(PurePosixPath(path).with_suffix("").parts)
    for name, test in tests:
        if calls := _calls(test, known):
            yield f"{module}.{name}", calls
            yield f"{path}::{name.replace('.', '::')}", calls


def _is_test_case(node: ast.ClassDef) -> bool:
    tests = [one for one in _functions(node.body) if one.name.startswith("test")]
    bases = [ast.unparse(base) for base in node.bases]
    return tests == node.body and bases in ([], ["unittest.TestCase"])


def _functions(body: Sequence[ast.stmt]) -> list[ast.FunctionDef]:
    return [one for one in body if isinstance(one, ast.FunctionDef)]


def _calls(test: ast.FunctionDef, known: Mapping[str, tuple[str, str]]) -> list[Call]:
    """Of a test that only compares; empty for any other."""
    arguments = ast.unparse(test.args)
    if test.decorator_list or arguments not in ("", "self"):
        return []
    found = [_call(statement, known) for statement in test.body]
    return [call for call in found if call] if all(found) else []


def _call(statement: ast.stmt, known: Mapping[str, tuple[str, str]]) -> Call | None:
    match statement:
        case ast.Expr(
            ast.Call(
                func=ast.Attribute(ast.Name("self"), "assertEqual"),
                args=[ast.Call() as call, value] | [ast.Call() as call, value, ast.Constant()],
                keywords=[],
            )
        ):
            pass
        case ast.Assert(test=ast.Compare(ast.Call() as call, [ast.Eq()], [value])):
            pass
        case _:
            return None
    match call.func:
        case ast.Name(name) if known.get(name, ("", ""))[1]:
            module, function = known[name]
        case ast.Attribute(ast.Name(name), function) if known.get(name, ("", "x"))[1] == "":
            module = known[name][0]
        case _:
            return None
    try:
        arguments = tuple(map(_plain, call.args))
        return None if call.keywords else Call(module, function, arguments, _plain(value))
    except ValueError:
        return None


def _plain(node: ast.expr) -> Any:
    """A literal that JSON gives back as it is. Raises ValueError for any other."""
    value = ast.literal_eval(node)
    try:
        same = json.loads(json.dumps(value)) == value
    except TypeError as error:
        raise ValueError(str(error)) from error
    if not same:
        raise ValueError("JSON has no such value")
    return value
