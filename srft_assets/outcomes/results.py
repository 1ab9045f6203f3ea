"""Results of single tests: recorded where that is possible, else read off what was printed."""

import contextlib
import os
import re
import shlex
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import orjson

from srft_assets.outcomes.recorder import DONE

PYTHON = re.compile(r"(?:\S*/)?python(?:3(?:\.\d+)?)?")
PYTEST = re.compile(r"(?:\S*/)?(?:pytest|py\.test)")
ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=.*", re.DOTALL)
SHELL = re.compile(r"[;&|<>`$(){}*?\[\]~\n#!\\]")
"""Characters that mean something to the shell: such a command is left alone."""
VERBOSE = re.compile(r"(?P<method>\S+) \((?P<owner>[^()\s]+)\)")
"""As `python -m unittest -v` prints them: `test_x (mod.Class)`, since 3.11 `(mod.Class.test_x)`."""
PRINTED_UNITTEST = re.compile(
    rf"^{VERBOSE.pattern}(?:\n[^\n]*?)? \.\.\. (?P<outcome>ok|FAIL|ERROR|skipped|expected failure|"
    r"unexpected success)",
    re.MULTILINE,
)
"""`test_x (mod.Class) ... ok`; the docstring of a test stands on a line between."""
PRINTED_PYTEST = re.compile(
    r"^(?P<outcome>PASSED|FAILED|ERROR|SKIPPED|XFAIL|XPASS) (?P<test>\S.*)$", re.MULTILINE
)
SUMMARY = "short test summary info"
OUTCOMES = {
    "ok": "passed",
    "PASSED": "passed",
    "XPASS": "passed",
    "expected failure": "xfailed",
    "XFAIL": "xfailed",
    "skipped": "skipped",
    "SKIPPED": "skipped",
}
"""Printed word → outcome; any other word is `failed`."""
PASSING = frozenset({"passed", "xfailed"})
"""As the SWE-bench harness counts; a skipped test did not pass."""
MAX_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class TestCommand:
    """What to run, and whether a recorder writes the results or they are only printed."""

    __test__ = False

    shell: str
    recorded: bool


def recorded_command(command: str, recorder: str, results: str) -> TestCommand:
    """`[VAR=x] python -m unittest …`, `python -m pytest …` and `pytest …` get the recorder.

    Any other command runs as it stands, and its printed output is all there is.
    """
    words = [] if SHELL.search(command) else _words(command)
    env = 0
    while env < len(words) and ASSIGNMENT.fullmatch(words[env]):
        env += 1
    head, rest = words[:env], words[env:]
    if len(rest) >= 3 and PYTHON.fullmatch(rest[0]) and rest[1] == "-m":
        kind = {"unittest": "unittest", "pytest": "python-m-pytest"}.get(rest[2])
        python, arguments = rest[0], rest[3:]
    elif rest and PYTEST.fullmatch(rest[0]):
        kind, python, arguments = "pytest", "python3", rest[1:]
    else:
        kind, python, arguments = None, "", []
    if kind is None:
        return TestCommand(command, recorded=False)
    # env(1) takes the assignments as words, so that their values can be quoted.
    argv = [*(["env", *head] if head else []), python, recorder, results, kind, *arguments]
    return TestCommand(shlex.join(argv), recorded=True)


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


def read_recorded(folder: Path, name: str) -> Recorded:
    """The file `name` that the recorder wrote below `folder/.git`.

    Commands could write there, so no link is followed and nothing but a bounded regular file
    is read. Damaged lines are as good as absent.
    """
    results, finished = [], False
    for line in _read_safely(folder, (".git", name)).splitlines():
        with contextlib.suppress(orjson.JSONDecodeError):
            row = orjson.loads(line)
            if isinstance(row, list) and [type(cell) for cell in row] == [str, str]:
                finished = finished or row[0] == DONE
                results.append((row[0], row[1]))
    return Recorded(results, finished)


def _read_safely(folder: Path, parts: tuple[str, ...]) -> bytes:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    place = os.open(folder, flags | os.O_DIRECTORY)
    try:
        for part in parts:
            inner = os.open(part, flags, dir_fd=place)
            os.close(place)
            place = inner
        return os.read(place, MAX_BYTES) if stat.S_ISREG(os.fstat(place).st_mode) else b""
    except OSError:
        return b""
    finally:
        os.close(place)


def parse_printed(output: str) -> list[tuple[str, str]]:
    """(test, outcome) of `unittest -v` and `pytest -rA` output, in order.

    Of pytest only the last summary counts; ids keep their spaces, messages after ` - ` go.
    """
    found = [
        (
            canonical(f"{match['method']} ({match['owner']})"),
            OUTCOMES.get(match["outcome"], "failed"),
        )
        for match in PRINTED_UNITTEST.finditer(output)
    ]
    _, cut, summary = output.rpartition(SUMMARY)
    if cut:
        for match in PRINTED_PYTEST.finditer(summary):
            test, outcome = match["test"], match["outcome"]
            test = test if outcome == "PASSED" else test.partition(" - ")[0]
            found.append((test, OUTCOMES.get(outcome, "failed")))
    return found


def canonical(test: str) -> str:
    """`module.Class.method` for any of unittest's forms; other ids as they are."""
    found = VERBOSE.fullmatch(test.strip())
    if found is None:
        return test.strip()
    owner, method = found["owner"], found["method"]
    return owner if owner.rpartition(".")[2] == method else f"{owner}.{method}"


def tally(wanted: Iterable[str], results: Iterable[tuple[str, str]]) -> Tally:
    """Count the wanted tests that passed: reported at least once, and never otherwise."""
    said: dict[str, bool] = {}
    for test, outcome in results:
        key = canonical(test)
        said[key] = said.get(key, True) and outcome in PASSING
    names = list(wanted)
    missing = [name for name in names if not said.get(canonical(name), False)]
    return Tally(len(names) - len(missing), len(names), tuple(missing))
