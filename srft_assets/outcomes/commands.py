"""A task's test command, run through the recorder where that is possible."""

import re
import shlex
from dataclasses import dataclass

PYTHON = re.compile(r"(?:\S*/)?python(?:3(?:\.\d+)?)?")
PYTEST = re.compile(r"(?:\S*/)?(?:pytest|py\.test)")
ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=.*", re.DOTALL)
SHELL = re.compile(r"[;&|<>`$(){}*?\[\]~\n#!\\]")
"""Characters that mean something to the shell: such a command is left alone."""


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
