"""Results of single tests, as the recorder writes them down."""

import contextlib
import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
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

    Commands could write there too: what is no line of the recorder's is as good as absent.
    """
    ran = inside.run(command, **bounds)
    read = inside.run(f"cat -- {results}", **{**bounds, "limits": READING})
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
