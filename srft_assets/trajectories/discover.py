"""All files below the given paths, in an order that does not depend on the machine, and what
their names and neighbours alone say of them.
"""

import os
import re
import stat
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from posixpath import basename, dirname

from srft_assets.errors import UsageError
from srft_assets.trajectories.batches import RefusedFile
from srft_assets.trajectories.records import BadJsonError, parse
from srft_assets.trajectories.roles import EVIDENCE, Role, Ruling, refused, rule_object

TABLES = ("parquet", "arrow")
LINES = ("jsonl", "ndjson")
DATA = (*TABLES, *LINES, "json", "traj")
COMPRESSED = ("gz", "zst", "bz2", "xz", "zip", "tar")
EVIDENCE_NAMES = frozenset({"test_output.txt", "run_instance.log", "patch.diff", "eval.sh"})
"""What the SWE-bench harness leaves beside a report.json."""
DATASET_NAMES = frozenset({"dataset_info.json", "state.json", "dataset_dict.json"})
"""What `save_to_disk` of `datasets` leaves beside, or above, the Arrow files."""
CALLS_FOLDER = "llm_completions"
"""OpenHands keeps every LLM call of a run in `llm_completions/<instance>/<model>-<time>.json`."""
CALL_TIME = re.compile(r"(\d+(?:\.\d+)?)\.json$")


@dataclass(frozen=True, slots=True)
class Found:
    """A regular file. `path` is relative to the root, with forward slashes.

    `ruling`: its role, where that follows without reading it.
    """

    path: str
    at: Path
    size: int
    mtime_ns: int
    ctime_ns: int
    ruling: Ruling | None = None

    @property
    def suffix(self) -> str:
        """Of the name, in small letters, without the point."""
        return self.at.suffix[1:].lower()


@dataclass(slots=True)
class Discovery:
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


def discover(paths: Sequence[Path], root: Path | None = None) -> Discovery:
    """Find every file below `paths` (files or folders), sorted by path.

    The root is the one stated if all paths lie below it, else the folder itself where one
    folder is given, else the nearest common parent.
    Links to files are followed, links to folders are not, so that this always ends.
    Raises UsageError where a path does not exist or nothing is below it.
    """
    if not paths:
        raise UsageError("name at least one file or folder to ingest")
    covers = tuple(sorted({_absolute(path) for path in paths}))
    parents = [cover if cover.is_dir() else cover.parent for cover in covers]
    if root is None or not all(root == parent or root in parent.parents for parent in parents):
        root = Path(os.path.commonpath(parents))
    found = Discovery(root, covers)
    seen: set[str] = set()
    for cover in covers:
        if cover.is_dir():
            _descend(cover, found, seen)
        else:
            _take(cover, found, seen)
    found.files = _by_neighbours(sorted(found.files, key=lambda file: file.path))
    found.refused.sort(key=lambda refused: refused.path)
    if not found.files and not found.refused:
        raise UsageError(f"no files below {', '.join(map(str, paths))}")
    return found


def _absolute(path: Path) -> Path:
    plain = path.expanduser().absolute()
    if not plain.exists():
        raise UsageError(f"no such file or folder: {path}")
    return plain.resolve() if plain.is_dir() else plain.parent.resolve() / plain.name


def _descend(folder: Path, found: Discovery, seen: set[str]) -> None:
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


def _take(at: Path, found: Discovery, seen: set[str]) -> None:
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
        times = state.st_mtime_ns, state.st_ctime_ns
        found.files.append(Found(path, at, state.st_size, *times, _by_name(at.name, state.st_size)))


def _refused(at: Path, found: Discovery, reason: str) -> RefusedFile:
    path = found.below(at)
    return RefusedFile(path=path.encode("utf-8", "backslashreplace").decode(), reason=reason)


def _by_name(name: str, size: int) -> Ruling | None:
    suffix = name.rpartition(".")[2].lower() if "." in name else ""
    if name.startswith("."):
        return refused("not a run: hidden file")
    if suffix in COMPRESSED:
        return refused(f"compressed (.{suffix}): unpack it first")
    if suffix not in DATA:
        return refused(f"not a run: .{suffix} file" if suffix else "not a run: no known file type")
    return refused("empty file") if size == 0 else None


def _by_neighbours(files: Sequence[Found]) -> list[Found]:
    """Evidence beside reports, what lies beside data sets, and superseded LLM calls."""
    logged = {dirname(file.path) for file in files if basename(file.path) in EVIDENCE_NAMES}
    graded = {
        folder
        for file in files
        if (folder := dirname(file.path)) in logged
        and basename(file.path) == "report.json"
        and _role(file.at) is Role.REPORT
    }
    tables = {dirname(file.path) for file in files if file.suffix == "arrow"}
    above = {folder for table in tables for folder in _above(table)}
    last = _last_calls(files)
    settled = []
    for file in files:
        folder, name = dirname(file.path), basename(file.path)
        beside = name in EVIDENCE_NAMES and folder in graded
        if beside or (name in DATASET_NAMES and folder in above):
            file = replace(file, ruling=EVIDENCE)
        elif last.get(folder, file.path) != file.path and file.ruling is None:
            reason = f"an earlier LLM call of the run in {last[folder]}"
            file = replace(file, ruling=refused(reason))
        settled.append(file)
    return settled


def _above(folder: str) -> set[str]:
    """The folder and all that it lies in, the root too."""
    parts = folder.split("/")
    return {"/".join(parts[:depth]) for depth in range(len(parts) + 1)}


def _last_calls(files: Sequence[Found]) -> dict[str, str]:
    """Folder of LLM calls → path of the last that can be read, which holds the whole run."""
    calls: dict[str, list[tuple[float, str, Path]]] = defaultdict(list)
    for file in files:
        folder = dirname(file.path)
        if file.ruling is None and basename(dirname(folder)) == CALLS_FOLDER:
            time = CALL_TIME.search(file.path)
            calls[folder].append((float(time[1]) if time else 0.0, file.path, file.at))
    last = {}
    for folder, found in calls.items():
        ordered = sorted(found, reverse=True)
        readable = (path for _, path, at in ordered if _role(at) is Role.RUNS)
        last[folder] = next(readable, ordered[0][1])
    return last


def _role(at: Path) -> Role:
    """Of a file that holds one JSON object."""
    try:
        value = parse(at.read_bytes())
    except (OSError, BadJsonError):
        return Role.REFUSED
    return rule_object(value).role if isinstance(value, dict) else Role.REFUSED
