"""All files below the given paths, in an order that does not depend on the machine."""

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from srft_assets.errors import UsageError
from srft_assets.trajectories.manifest import RefusedFile


@dataclass(frozen=True, slots=True)
class Found:
    """A regular file. `path` is relative to the root, with forward slashes."""

    path: str
    at: Path
    size: int
    mtime_ns: int
    ctime_ns: int


@dataclass(slots=True)
class Walk:
    """What was found below `root`; `covers` are the absolute paths that were asked for."""

    root: Path
    covers: tuple[Path, ...]
    files: list[Found] = field(default_factory=list)
    refused: list[RefusedFile] = field(default_factory=list)

    def below(self, at: Path) -> str:
        """The path relative to the root, `.` for the root: twice as fast as `relative_to`."""
        return at.as_posix().removeprefix(self.root.as_posix()).lstrip("/") or "."

    def covered(self, path: str) -> bool:
        """Whether a file known as `path` lies within what was asked for."""
        at = self.root / path
        return any(at == cover or cover in at.parents for cover in self.covers)


def walk(paths: Sequence[Path], root: Path | None = None) -> Walk:
    """Find every file below `paths` (files or folders), sorted by path.

    The root is the one stated if all paths lie below it, else the folder itself where one
    folder is given, else the nearest common parent.
    Links to files are followed, links to folders are not, so that a walk always ends.
    Raises UsageError where a path does not exist or nothing is below it.
    """
    if not paths:
        raise UsageError("name at least one file or folder to ingest")
    covers = tuple(sorted({_absolute(path) for path in paths}))
    parents = [cover if cover.is_dir() else cover.parent for cover in covers]
    if root is None or not all(root == parent or root in parent.parents for parent in parents):
        root = Path(os.path.commonpath(parents))
    found = Walk(root, covers)
    seen: set[str] = set()
    for cover in covers:
        if cover.is_dir():
            _descend(cover, found, seen)
        else:
            _take(cover, found, seen)
    found.files.sort(key=lambda file: file.path)
    found.refused.sort(key=lambda refused: refused.path)
    if not found.files and not found.refused:
        raise UsageError(f"no files below {', '.join(map(str, paths))}")
    return found


def _absolute(path: Path) -> Path:
    plain = path.expanduser().absolute()
    if not plain.exists():
        raise UsageError(f"no such file or folder: {path}")
    return plain.resolve() if plain.is_dir() else plain.parent.resolve() / plain.name


def _descend(folder: Path, found: Walk, seen: set[str]) -> None:
    try:
        with os.scandir(folder) as listed:
            entries = sorted(listed, key=lambda entry: entry.name)
    except OSError as error:
        found.refused.append(_refused(folder, found, f"folder cannot be read: {error.strerror}"))
        return
    for entry in entries:
        at = Path(entry.path)
        if not _is_folder(entry):
            _take(at, found, seen)
        elif entry.is_symlink():
            reason = "link to a folder, not followed: give its target as a path of its own"
            found.refused.append(_refused(at, found, reason))
        elif entry.name.startswith("."):
            found.refused.append(_refused(at, found, "hidden folder, not read"))
        else:
            _descend(at, found, seen)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads round and round
        return False


def _take(at: Path, found: Walk, seen: set[str]) -> None:
    if str(at) in seen:
        return
    seen.add(str(at))
    try:
        state = at.stat()
    except OSError as error:
        kind = "broken link" if at.is_symlink() else "file cannot be read"
        found.refused.append(_refused(at, found, f"{kind}: {error.strerror}"))
        return
    path = found.below(at)
    if not path.isascii() and path != path.encode("utf-8", "replace").decode():
        found.refused.append(_refused(at, found, "file name is not UTF-8: rename the file"))
    elif not stat.S_ISREG(state.st_mode):
        found.refused.append(_refused(at, found, "not a regular file (pipe, socket or device)"))
    else:
        found.files.append(Found(path, at, state.st_size, state.st_mtime_ns, state.st_ctime_ns))


def _refused(at: Path, found: Walk, reason: str) -> RefusedFile:
    path = found.below(at)
    return RefusedFile(path=path.encode("utf-8", "backslashreplace").decode(), reason=reason)
