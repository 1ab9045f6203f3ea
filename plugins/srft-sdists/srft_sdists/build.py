"""What a task needs is built once, and kept."""

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from srft_assets.errors import SrftError
from srft_assets.files import remove_tree
from srft_assets.home import Home
from srft_assets.warehouse.recipe import digest


class NotBuiltError(SrftError):
    """The task's source or environment cannot be had."""


OURS = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE")
"""Variables of this process that would mislead them."""


def run(
    argv: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    given: str | None = None,
    seconds: float = 1800,
) -> str:
    """Standard output of a program. Raises NotBuiltError with the end of what it said."""
    words = [str(word) for word in argv]
    variables = {name: value for name, value in os.environ.items() if name not in OURS}
    try:
        done = subprocess.run(
            words,
            cwd=cwd,
            env={**variables, **(env or {})},
            input=(given or "").encode("utf-8", "surrogatepass"),
            capture_output=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise NotBuiltError(f"{_name(words)} took longer than {seconds:g} s") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL or half a surrogate pair in a word
        raise NotBuiltError(f"{_name(words)} did not start: {error}") from None
    if done.returncode:
        said = (done.stderr or done.stdout).decode("utf-8", "replace")
        raise NotBuiltError(f"{_name(words)} failed: {last_line(said)}")
    return done.stdout.decode("utf-8", "replace")


def _name(words: Sequence[str]) -> str:
    said = [word for word in words[1:5] if not word.startswith(("-", "/"))]
    return " ".join([Path(words[0]).name, *said])[:120]


def last_line(output: str) -> str:
    """The last line that says something: git goes on after its own, pip ends with notices."""
    lines = [line.strip() for line in output.splitlines()]
    told = [line for line in lines if line and not line.startswith(("WARNING", "[notice]"))]
    fatal = [line for line in told if line.startswith("fatal:")]
    return (fatal or told or ["no message"])[-1][:300]


DONE = ".done"


@dataclass(frozen=True, slots=True)
class Cache:
    """`<home.artifacts>/local-grader`: releases, environments, what was found of tasks."""

    root: Path

    @classmethod
    def of(cls, home: Home) -> "Cache":
        """That of a platform."""
        return cls(home.artifacts / "local-grader")

    def folder(self, kind: str, name: str, make: Callable[[Path], None]) -> Path:
        """The folder `<kind>/<name>`, which `make` fills where it is absent or was left torn.

        It is made in its own place, since an environment cannot be moved; the file `.done` says
        that it is whole. Others wait meanwhile. Raises what `make` raises, and keeps nothing then.
        """
        target = self.root / kind / name
        with self.lock(kind, name):
            if not (target / DONE).exists():
                remove_tree(target)
                target.mkdir(parents=True)
                try:
                    make(target)
                    (target / DONE).touch()
                except BaseException:
                    remove_tree(target)
                    raise
        return target

    def lock(self, kind: str, name: str) -> FileLock:
        """A lock that the kernel frees when its holder dies."""
        path = self.root / "locks" / f"{kind}.{name}.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(path)


def short(value: object) -> str:
    """16 hex digits over a JSON value."""
    return digest(value)[:16]
