"""Folders that are costly to make: made once, by one process, and whole or made again."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from srft_assets.home import Home
from srft_assets.warehouse.recipe import digest

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
                shutil.rmtree(target, ignore_errors=True)
                target.mkdir(parents=True)
                try:
                    make(target)
                    (target / DONE).touch()
                except BaseException:
                    shutil.rmtree(target, ignore_errors=True)
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
