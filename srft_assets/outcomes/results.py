"""Results of single tests: as the recorder writes them down, or as answers to calls tell them.

Tests that only compare what a call returns with a plain value are no longer run: the code under
test answers the calls in the sandbox (`caller.py`) without knowing what is wanted, and the answers,
which are JSON, are compared here. So neither an object that equals everything nor a look at the
test, at its caller or at the recorder makes a wrong answer right.
"""

import ast
import contextlib
import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise, repeat
from pathlib import PurePosixPath
from typing import Any

import orjson

from srft_assets.outcomes.recorder import DONE
from srft_assets.sandbox import Completed, Limits, Sandbox

PYTHON = re.compile(r"(?:\S*/)?python(?:3(?:\.\d+)?)?")
PYTEST = re.compile(r"(?:\S*/)?(?:pytest|py\.test)")
ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=.*", re.DOTALL)
SHELL = re.compile(r"[;&|<>`$(){}*?\[\]~\n#!\\]")
"""Characters that mean something to the shell: such a command is left alone."""
VERBOSE = re.compile(r"(?P<method>\S+) \((?P<owner>[^()\s]+)\)")
"""As `python -m unittest -v` prints them: `test_x (mod.Class)`, since 3.11 `(mod.Class.test_x)`."""
UNITTEST_FLAGS = frozenset({"-v", "-q", "-b", "-f", "--verbose", "--quiet", "--buffer", "--locals"})
NAMES_TESTS = re.compile(r"^[^-].*(?:\.py|/|::)|^(?:tests?|testing)$")
"""A word of pytest's that is a file, a folder or a test."""
TAKES_VALUE = frozenset(
    {
        *("-c", "--config-file", "--rootdir", "--confcutdir", "--basetemp", "--import-mode"),
        *("-k", "-m", "-n", "-o", "-p", "-r", "-W", "--override-ini", "--pythonwarnings"),
        *("--ignore", "--ignore-glob", "--deselect", "--maxfail", "--durations", "--tb"),
        *("--junitxml", "--junit-xml", "--junit-prefix", "--log-file", "--log-level", "--pdbcls"),
        *("--capture", "--color", "--show-capture", "--assert", "--verbosity", "--pastebin"),
        *("--numprocesses", "--dist", "--cov", "--cov-report", "--cov-config", "--timeout"),
    }
)
"""Options of pytest, pytest-xdist, pytest-cov and pytest-timeout whose value may be the next word:
https://docs.pytest.org/en/stable/reference/reference.html#command-line-flags"""
ADDED = re.compile(r"^diff --git a/(.+?) b/\1\nnew file mode 100644\n", re.MULTILINE)
PASSING = frozenset({"passed", "xfailed"})
"""As the SWE-bench harness counts; a skipped test did not pass."""
READING = Limits(wall_seconds=20, output_bytes=32 * 1024 * 1024)


def recorded_command(
    command: str, recorder: Sequence[str], tests: Sequence[str]
) -> tuple[str, list[str]] | None:
    """`[VAR=x] python -m unittest …`, `python -m pytest …` or `pytest …`, run by the recorder (its
    program and first arguments) for these tests alone: the command, and the runner's arguments,
    which the recorder reads from a file. None for any other command.

    unittest is given the names of the tests where its command has nothing but flags, and else runs
    as it is told (`discover -s tests`). What pytest is to run is replaced by the files of the
    tests: words of its command that name a file or folder, and are no option's value.
    """
    words = [] if SHELL.search(command) else _words(command)
    env = 0
    while env < len(words) and ASSIGNMENT.fullmatch(words[env]):
        env += 1
    head, rest = words[:env], words[env:]
    if len(rest) >= 3 and PYTHON.fullmatch(rest[0]) and rest[1] == "-m":
        kind = {"unittest": "unittest", "pytest": "python-m-pytest"}.get(rest[2], "")
        python, arguments = rest[0], rest[3:]
    elif rest and PYTEST.fullmatch(rest[0]):
        kind, python, arguments = "pytest", "python3", rest[1:]
    else:
        return None
    if kind == "unittest":
        if UNITTEST_FLAGS.issuperset(arguments):
            arguments = [*arguments, *dict.fromkeys(map(canonical, tests))]
    elif kind:
        files = dict.fromkeys(test.partition("::")[0] for test in tests)
        options = [
            word
            for before, word in pairwise(["", *arguments])
            if before in TAKES_VALUE or not NAMES_TESTS.search(word)
        ]
        arguments = [*options, *files]
    else:
        return None
    # env(1) takes the assignments as words, so that their values can be quoted.
    argv = [*(["env", *head] if head else []), python, "-s", *recorder, kind]
    return shlex.join(argv), arguments


def unittest_python(command: str) -> str | None:
    """The program of `python -m unittest` with flags alone; None for any other command."""
    words = [] if SHELL.search(command) else _words(command)
    plain = words[1:3] == ["-m", "unittest"] and UNITTEST_FLAGS.issuperset(words[3:])
    return shlex.quote(words[0]) if plain and PYTHON.fullmatch(words[0]) else None


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:
        return []


@dataclass(frozen=True, slots=True)
class Recorded:
    """Contents of a results file. `finished` is False where the test run ended early."""

    results: list[tuple[str, str]]
    finished: bool


@dataclass(frozen=True, slots=True)
class Tally:
    """How many of a list of tests passed, and the names of those that did not."""

    passed: int
    total: int
    missing: tuple[str, ...]


def run_recorded(
    inside: Sandbox, command: str, results: str, **bounds: Any
) -> tuple[Recorded, Completed]:
    """Run a command whose recorder writes to the file `results`, then read that.

    Commands could write there too: what is no line of the recorder's is as good as absent, and so
    is a pipe, which nobody would end.
    """
    ran = inside.run(command, **bounds)
    read = inside.run(f"[ -f {results} ] && cat -- {results}", **{**bounds, "limits": READING})
    rows, finished = [], False
    for line in read.output.splitlines():
        with contextlib.suppress(orjson.JSONDecodeError):
            row = orjson.loads(line)
            if isinstance(row, list) and [type(cell) for cell in row] == [str, str]:
                finished = finished or row[0] == DONE
                rows.append((row[0], row[1]))
    return Recorded(rows, finished), ran


def canonical(test: str) -> str:
    """`module.Class.method` for any of unittest's forms; other ids as they are."""
    found = VERBOSE.fullmatch(test.strip())
    if found is None:
        return test.strip()
    owner, method = found["owner"], found["method"]
    return owner if owner.rpartition(".")[2] == method else f"{owner}.{method}"


def wanted_file(tests: Iterable[str], arguments: Sequence[str]) -> bytes:
    """What the recorder is told: the tests to run, under their names and unittest's ids, and the
    arguments of the runner. In a file, as Linux bounds what a command may hold."""
    names = list(tests)
    told = {"tests": [*names, *map(canonical, names)], "arguments": [*arguments]}
    return orjson.dumps(told)


def tally(wanted: Iterable[str], results: Iterable[tuple[str, str]]) -> Tally:
    """Count the wanted tests that passed: reported at least once, and never otherwise."""
    said: dict[str, bool] = {}
    for test, outcome in results:
        key = canonical(test)
        said[key] = said.get(key, True) and outcome in PASSING
    names = list(wanted)
    missing = [name for name in names if not said.get(canonical(name), False)]
    return Tally(len(names) - len(missing), len(names), tuple(missing))


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
