"""What a sandbox promises."""

import os
from abc import abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pydantic import BaseModel

from srft_assets.errors import SrftError

MAX_ARGUMENT = 32 * os.sysconf("SC_PAGE_SIZE")
"""Linux' MAX_ARG_STRLEN: one argument and its closing NUL, in bytes."""


class SandboxError(SrftError):
    """The sandbox could not be set up for this command: the machine's failure, not the model's."""


class Limits(BaseModel):
    """Bounds of one command."""

    wall_seconds: float = 60.0
    """The whole process group is killed after this time."""
    cpu_seconds: int = 60
    memory_mb: int = 1024
    """Address space of each process."""
    file_mb: int = 64
    """Largest file that may be written."""
    output_bytes: int = 262_144
    """Output beyond this is cut in the middle, and the cut is marked."""
    processes: int = 256
    """Processes at a time; where the kernel keeps the bound, threads count too."""

    @property
    def disk_mb(self) -> int:
        """What the working folder may hold, or where it is no copy, by what it may grow."""
        return 16 * self.file_mb

    @property
    def all_memory_mb(self) -> int:
        """What all processes together may hold, in memory and in files that lie in memory."""
        return 2 * self.memory_mb


@dataclass(frozen=True, slots=True)
class Completed:
    """A command that ended. `returncode` is -1 where `timed_out`; `stopped` is why it was killed,
    None where it ended by itself.
    """

    returncode: int
    output: str
    timed_out: bool
    seconds: float
    stopped: str | None = None


class Sandbox(Protocol):
    """Runs commands on one writable folder, seen as `/testbed`; nothing else is writable but /tmp.

    Standard error is merged into the output. There is no network.
    """

    @property
    def name(self) -> str:
        """What isolates the commands, e.g. `bubblewrap`."""

    def run(
        self,
        command: str,
        *,
        workdir: Path,
        limits: Limits | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Completed:
        """Run `bash -c command` in `workdir`. A failing command is a result, not an exception."""

    def entered(
        self, workdir: Path, limits: Limits | None = None
    ) -> AbstractContextManager["Sandbox"]:
        """One sandbox for all commands of a run, whose `limits` hold for them together.

        They work on a copy of `workdir`, where the kernel bounds it; by default on `workdir`, each
        in bounds of its own. Raises SandboxError where it cannot be set up; after that, `run`
        raises nothing that a command can cause.
        """
        return nullcontext(self)


class ShellSandbox(Sandbox):
    """A sandbox that is given only commands which a shell can take."""

    limits = Limits()
    """Of a command that states none."""

    def run(
        self,
        command: str,
        *,
        workdir: Path,
        limits: Limits | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Completed:
        """See `Sandbox.run`. A model can say what no shell can be given: that is its failure.

        Raises SandboxError where the command cannot be started: nothing ran then.
        """
        return refusal(command) or self._run(command, workdir, limits or self.limits, env or {})

    @abstractmethod
    def _run(
        self, command: str, folder: Path, limits: Limits, env: Mapping[str, str]
    ) -> Completed: ...


def refusal(command: str) -> Completed | None:
    """The result of a command that no shell can be given."""
    code, size = 127, 0
    try:
        size = len(os.fsencode(command))
        reason = "a command cannot hold a NUL byte" if "\0" in command else ""
    except UnicodeEncodeError:
        reason = "a command cannot hold half a surrogate pair"
    if size >= MAX_ARGUMENT and not reason:
        code, reason = 126, f"a command of {size} bytes is too long: write to a file in parts"
    return Completed(code, f"bash: {reason}\n", timed_out=False, seconds=0.0) if reason else None
