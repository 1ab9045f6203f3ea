"""Commands that memory does not know: run in a real working copy, in the sandbox."""

import os
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from srft_assets.agent.environment import SandboxEnvironment
from srft_assets.agent.working_copy import working_copy
from srft_assets.experiment.memory import Memory
from srft_assets.outcomes.task import TaskInstance
from srft_assets.sandbox.model import Sandbox


class WorkingCopy:
    """The task's repository on disk, kept in step with its twin in memory.

    `strayed` says that a command left something which the twin does not hold: other files, other
    contents, modes or links, or anything below `.git`.
    """

    def __init__(self, task: TaskInstance, sandbox: Sandbox, seconds: float) -> None:
        self._open = ExitStack()
        self._folder = self._open.enter_context(working_copy(task))
        self._environment = SandboxEnvironment(sandbox, self._folder, timeout=seconds)
        self._written = dict(task.files)
        self.strayed = False

    def execute(self, command: str, memory: Memory) -> tuple[dict[str, Any], str | None]:
        """What the command printed, and the submission if it submitted."""
        from minisweagent.exceptions import Submitted

        if not self.strayed:
            self._follow(memory)
            before = _state(self._folder)
        try:
            return self._environment.execute({"command": command}), None
        except Submitted as done:
            return {}, done.messages[0]["extra"]["submission"]
        finally:
            self.strayed = self.strayed or _state(self._folder) != before

    def _follow(self, memory: Memory) -> None:
        for name, text in memory.files.items():
            if self._written[name] != text:
                (self._folder / name).write_text(text, encoding="utf-8", newline="")
                self._written[name] = text

    def close(self) -> None:
        """Remove it."""
        self._open.close()


def _state(folder: Path) -> dict[str, tuple[int, ...]]:
    """Mode, inode, size and times of all that is in the folder, itself included."""
    found = {"": _facts(folder)}
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(place) / name
            found[str(path.relative_to(folder))] = _facts(path)
    return found


def _facts(path: Path) -> tuple[int, ...]:
    about = path.lstat()
    return about.st_mode, about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns
