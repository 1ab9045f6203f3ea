"""Printing lines and refusals, on the screen and in the log of a command; text that others wrote
never acts on a terminal."""

import fcntl
import os
import shlex
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.text import Text

from srft_assets.errors import Refusal
from srft_assets.home import Home
from srft_assets.text import hide_in_urls, visible

SHOWN_REFUSALS = 20
LOG_COLUMNS = 120

_command = "srft"
_log: TextIO | None = None
"""Of the command that this process runs; None where it has none."""


_result: dict[str, Any] = {}
"""What a command with `--json` tells beside its lines."""


def begin_json() -> dict[str, Any]:
    """What `put` puts values into from now on."""
    global _result
    _result = {}
    return _result


def put(**values: Any) -> None:
    """Tell something by name, for `--json`; lines say it to people."""
    _result.update(values)


def name_command(name: str | None) -> None:
    """Say which command runs, for the name of its log."""
    global _command
    _command = name or _command


def open_log(home: Home) -> None:
    """From now on keep what is said in a file of its own, `logs/TIME-COMMAND-PROCESS.log`."""
    global _log
    if _log is None:
        home.logs.mkdir(parents=True, exist_ok=True)
        name = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{_command}-{os.getpid()}.log"
        path = home.logs / name
        _log = open(  # noqa: SIM115 - `close_log` does
            path, "a", encoding="utf-8", buffering=1, opener=partial(os.open, mode=0o600)
        )
        fcntl.flock(_log, fcntl.LOCK_EX)
        _prune(home)
        keep(hide_in_urls(shlex.join(["srft", *sys.argv[1:]])))


def _prune(home: Home) -> None:
    """Remove the oldest logs of commands, but for those of processes that are still at work."""
    from srft_assets.project.settings import settings

    for path in sorted(home.logs.glob("[0-9]*T[0-9]*-*-*.log"))[: -settings().logs]:
        with suppress(OSError), path.open("r+b") as log:
            fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)  # held while its process is at work
            path.unlink()


def keep(line: str) -> None:
    """Put a line into the log, with its time (UTC); no control character gets there.

    A log that cannot be written (a full disk) ends with a word on standard error; what the command
    has to say goes on without it.
    """
    global _log
    if _log is None:
        return
    try:
        _log.write(f"{datetime.now(UTC):%H:%M:%S} {visible(line)}\n")
    except OSError as error:
        lost, _log = _log, None
        sys.stderr.write(f"the log ends here: {lost.name}: {error.strerror}\n")


def close_log() -> Path | None:
    """Where the log is, once all is said; None where there is none."""
    global _log
    if _log is None:
        return None
    path = Path(_log.name)
    _log.close()
    _log = None
    return path


def say(console: Console, line: str) -> None:
    """Print one line, however long: a terminal wraps it, a pipe gets it whole."""
    keep(Text.from_markup(line).plain)
    console.print(line, highlight=False, soft_wrap=True)


def show(console: Console, shown: RenderableType) -> None:
    """Print a table or a text, and put it into the log, line by line."""
    if _log is not None:
        plain = Console(file=StringIO(), width=LOG_COLUMNS, color_system=None)
        with plain.capture() as captured:
            plain.print(shown)
        for line in captured.get().splitlines():
            keep(line.rstrip())
    console.print(shown)


def quoted(text: str) -> str:
    """Text that others wrote, on one line: no markup is read, no control character acts."""
    return escape(visible(" ".join(text.split())))


def say_refused(console: Console, refusals: Sequence[Refusal], where: str = "") -> None:
    """A line for each of the first refusals; `where` tells how to see the others."""
    for refusal in refusals[:SHOWN_REFUSALS]:
        say(console, f"[yellow]refused[/] {quoted(refusal.line())}")
    if len(refusals) > SHOWN_REFUSALS:
        say(console, f"… and {len(refusals) - SHOWN_REFUSALS} more{where}")
