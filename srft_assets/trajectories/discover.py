"""Which files there are below the given paths, in an order that does not depend on the machine,
and what each is for: runs, a grading report, predictions, evidence beside a report, or none.
Data sets of the Hugging Face hub are fetched as Parquet into its local cache.
"""

import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from fnmatch import fnmatchcase
from os.path import commonpath, isdir
from pathlib import Path
from posixpath import basename, dirname
from typing import Any

from srft_assets.errors import SrftError, UsageError, headline
from srft_assets.trajectories.batches import RefusedFile
from srft_assets.trajectories.call_logs import superseded
from srft_assets.trajectories.formats import is_claimed, run_keys, why_no_run
from srft_assets.trajectories.records import BadJsonError, parse

TABLES = ("parquet", "arrow")
LINES = ("jsonl", "ndjson")
INSPECT = "eval"
"""Suffix of a log of Inspect: a zip with an entry for each sample."""
DATA = (*TABLES, *LINES, "json", "traj", INSPECT)
COMPRESSED = ("gz", "zst", "bz2", "xz", "zip", "tar")
EVIDENCE_NAMES = frozenset({"test_output.txt", "run_instance.log", "patch.diff", "eval.sh"})
"""What the SWE-bench harness leaves beside a report.json."""
DATASET_NAMES = frozenset({"dataset_info.json", "state.json", "dataset_dict.json"})
"""What `save_to_disk` of `datasets` leaves beside, or above, the Arrow files."""

TRIAL_RUN = "/agent/trajectory.json"
"""Below the folder of a trial of Harbor."""

GRADED_KEYS = frozenset(
    {"tests_status", "patch_is_None", "patch_exists", "patch_successfully_applied"}
)
SUMMARY_KEYS = frozenset(
    {"resolved_ids", "ids_resolved", "resolved_instances", "resolved_ids_list", "final_report"}
)
"""Run-level reports: SWE-bench schema 1 and 2, SWE-smith, and `final_report` wrappers."""


class Role(StrEnum):
    """What ingest does with a file. Every file has exactly one."""

    RUNS = "runs"
    REPORT = "report"
    PREDICTIONS = "predictions"
    EVIDENCE = "evidence"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Ruling:
    """The role of a file, and why where it is refused.

    `instance_ids`: of a report, the instances it speaks of, if it names them.
    `flat`: a report of one instance that does not name it; its path does.
    """

    role: Role
    reason: str = ""
    instance_ids: tuple[str, ...] = ()
    flat: bool = False


RUNS = Ruling(Role.RUNS)
PREDICTIONS = Ruling(Role.PREDICTIONS)
EVIDENCE = Ruling(Role.EVIDENCE)


def refused(reason: str) -> Ruling:
    """A refusal with its reason."""
    return Ruling(Role.REFUSED, reason)


def is_run(value: Any) -> bool:
    """Whether a JSON value looks like one run; whether it can be read is the reader's word."""
    if isinstance(value, dict):
        stated = any(isinstance(value.get(key), list | str) for key in run_keys())
        return stated or is_claimed(value)
    return is_conversation(value)


def is_conversation(value: Any) -> bool:
    """Whether a list is one run by itself: chat messages, events, lines of a session."""
    if not isinstance(value, list) or not value or not isinstance(value[0], dict):
        return False
    first = value[0]
    told = "role" in first or not first.keys().isdisjoint(("action", "observation"))
    return told or is_claimed(value)


def is_prediction(value: Any) -> bool:
    """Whether a JSON value is one entry of a predictions file."""
    return isinstance(value, dict) and "model_patch" in value and not is_run(value)


def is_graded(value: Any) -> bool:
    """Whether a JSON value is the grading report of one instance."""
    return isinstance(value, dict) and not GRADED_KEYS.isdisjoint(value) and not is_run(value)


def is_verdicts(value: dict[str, Any]) -> bool:
    """Whether an object says true or false of each instance, as SWE-bench Pro's harness does."""
    cells = value.values()
    named = all("__" in name or re.search(r"-\d", name) for name in value)
    return bool(value) and named and all(isinstance(cell, bool) for cell in cells)


def _is_stated(value: Any) -> bool:
    """Whether a JSON value says of one instance whether it was resolved, and nothing of tests."""
    return isinstance(value, dict) and isinstance(value.get("resolved"), bool) and not is_run(value)


def is_trial(value: Any) -> bool:
    """Whether a JSON value is Harbor's result of one trial."""
    return isinstance(value, dict) and {"trial_name", "task_name", "agent_info"} <= value.keys()


def rule_object(value: dict[str, Any]) -> Ruling:
    """Role of a file that holds one JSON object."""
    cells = list(value.values())
    if is_run(value):
        return RUNS
    if is_trial(value):
        return Ruling(Role.REPORT)
    if is_prediction(value) or (cells and all(is_prediction(cell) for cell in cells)):
        return PREDICTIONS
    if is_graded(value):
        own = value.get("instance_id")
        named = (own,) if isinstance(own, str) and own else ()
        return Ruling(Role.REPORT, instance_ids=named, flat=not named)
    if cells and all(is_graded(cell) or _is_stated(cell) for cell in cells):
        return Ruling(Role.REPORT, instance_ids=tuple(sorted(value)))
    own = value.get("instance_id")
    if _is_stated(value) and isinstance(own, str) and own:
        return Ruling(Role.REPORT, instance_ids=(own,))
    if is_verdicts(value):
        return Ruling(Role.REPORT)
    if not SUMMARY_KEYS.isdisjoint(value) or isinstance(value.get("resolved"), list):
        return Ruling(Role.REPORT)
    return refused(why_no_run(value))


def rule_rows(rows: Sequence[Any]) -> Ruling:
    """Role of a file that holds many JSON values, by the first of them."""
    if any(is_run(row) for row in rows):
        return RUNS
    if any(is_prediction(row) for row in rows):
        return PREDICTIONS
    return refused(f"row 0 {why_no_run(rows[0])}".replace("row 0 the record", "row 0"))


def rule_columns(names: Sequence[str]) -> Ruling:
    """Role of a table, by its columns."""
    if run_keys() & set(names):
        return RUNS
    shown = ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
    return refused(f"a table without messages, trajectory or history; its columns: {shown}")


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

    def holds(self, at: Path) -> bool:
        """Whether a file lies within what was asked for."""
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
        root = Path(commonpath(parents))
    found = Discovery(root, covers)
    for cover in covers:
        if cover.is_dir():
            _descend(cover, found)
        else:
            _take(cover, found)
    files = {file.path: file for file in found.files}  # paths may overlap
    found.files = _by_neighbours([files[path] for path in sorted(files)])
    refused_files = {one.path: one for one in found.refused}
    found.refused = [refused_files[path] for path in sorted(refused_files)]
    if not found.files and not found.refused:
        raise UsageError(f"no files below {', '.join(map(str, paths))}")
    return found


def _absolute(path: Path) -> Path:
    plain = path.expanduser().absolute()
    if not plain.exists():
        raise UsageError(f"no such file or folder: {path}")
    return plain.resolve() if plain.is_dir() else plain.parent.resolve() / plain.name


def _descend(folder: Path, found: Discovery) -> None:
    """All below a folder; without recursion, as it may be thousands of folders deep."""
    waiting = [folder]
    while waiting:
        folder = waiting.pop()
        try:
            entries = sorted(folder.iterdir())
        except OSError as error:
            _refuse(folder, found, f"folder cannot be read: {error.strerror}")
            continue
        for at in entries:
            if not isdir(at):  # noqa: PTH112  # it says no where `at.is_dir()` raises
                _take(at, found)
            elif at.is_symlink():
                reason = "link to a folder, not followed: give its target as a path of its own"
                _refuse(at, found, reason)
            elif at.name.startswith("."):
                _refuse(at, found, "hidden folder, not read")
            else:
                waiting.append(at)


def _take(at: Path, found: Discovery) -> None:
    path = at.relative_to(found.root).as_posix()
    try:
        state = at.stat()
    except OSError as error:
        kind = "broken link" if at.is_symlink() else "file cannot be read"
        _refuse(at, found, f"{kind}: {error.strerror}")
        return
    if path != path.encode("utf-8", "replace").decode():
        _refuse(at, found, "file name is not UTF-8: rename the file")
    elif not stat.S_ISREG(state.st_mode):
        _refuse(at, found, "not a regular file (pipe, socket or device)")
    else:
        times = state.st_mtime_ns, state.st_ctime_ns
        found.files.append(Found(path, at, state.st_size, *times, _by_name(at.name, state.st_size)))


def _refuse(at: Path, found: Discovery, reason: str) -> None:
    path = at.relative_to(found.root).as_posix().encode("utf-8", "backslashreplace").decode()
    found.refused.append(RefusedFile(path=path, reason=reason))


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
    of_tables = {folder for file in files if file.suffix == "arrow" for folder in above(file.path)}
    later = superseded(
        [(file.path, file.at) for file in files if file.ruling is None and file.suffix == "json"],
        readable=lambda at: _role(at) is Role.RUNS,
    )
    not_read = {path: f"an earlier LLM call of the run in {run}" for path, run in later.items()}
    for path, run in _own_logs(files).items():
        not_read[path] = f"the agent's own log of the run in {run}"
    settled = []
    for file in files:
        folder, name = dirname(file.path), basename(file.path)
        beside = name in EVIDENCE_NAMES and folder in graded
        if beside or (name in DATASET_NAMES and folder in of_tables):
            file = replace(file, ruling=EVIDENCE)
        elif file.path in not_read:
            file = replace(file, ruling=refused(not_read[file.path]))
        settled.append(file)
    return settled


def _own_logs(files: Sequence[Found]) -> dict[str, str]:
    """What agents in Harbor's trials leave beside the run that was made of it → that run."""
    runs = {dirname(file.path): file for file in files if f"/{file.path}".endswith(TRIAL_RUN)}
    held: dict[str, list[str]] = {}
    for file in files:
        at, name = dirname(file.path), basename(file.path)
        folder = next((one for one in above(file.path) if one in runs), None)
        made = folder == at and fnmatchcase(name, "trajectory*.json")
        if folder is not None and not made and file.ruling is None:
            held.setdefault(folder, []).append(file.path)
    kept = {folder for folder in held if _role(runs[folder].at) is Role.RUNS}
    return {path: runs[folder].path for folder in sorted(kept) for path in held[folder]}


def above(path: str) -> list[str]:
    """The folders that a file lies in, the nearest first; the root, `""`, is the last."""
    parts = path.split("/")[:-1]
    return ["/".join(parts[:depth]) for depth in range(len(parts), -1, -1)]


def _role(at: Path) -> Role:
    """Of a file that holds one JSON object."""
    try:
        value = parse(at.read_bytes())
    except (OSError, BadJsonError):
        return Role.REFUSED
    return rule_object(value).role if isinstance(value, dict) else Role.REFUSED


HUB = "hf://"
"""Begins the address of a data set on the Hugging Face hub."""
CONVERTED = "refs/convert/parquet"
"""Branch where the hub keeps every public data set as `<config>/<split>/<n>.parquet`."""


def fetch(address: str) -> Path:
    """The local folder of `hf://datasets/OWNER/NAME[/SPLIT]`, downloaded where it is not cached.

    Takes the hub's Parquet copy, else the data files of the main branch. Raises UsageError for
    another form of address, and SrftError in one line where the hub cannot be reached.
    """
    kind, *names = address.removeprefix(HUB).strip("/").split("/")
    if kind != "datasets" or len(names) not in (2, 3) or not all(names):
        raise UsageError(
            f"{address}: write hf://datasets/OWNER/NAME or hf://datasets/OWNER/NAME/SPLIT"
        )
    repo, split = "/".join(names[:2]), names[2] if len(names) == 3 else None
    from httpx import HTTPError
    from huggingface_hub.errors import HFValidationError, RevisionNotFoundError

    try:
        try:
            return _download(repo, CONVERTED, split)
        except RevisionNotFoundError:
            return _download(repo, "main", split)
    except (OSError, HTTPError, HFValidationError) as error:
        raise SrftError(
            f"{address}: cannot be fetched ({type(error).__name__}: {headline(error)}); check the "
            "name and the network, or download the data set elsewhere and name its files"
        ) from None


def _download(repo: str, revision: str, split: str | None) -> Path:
    from huggingface_hub import snapshot_download

    wanted = [f"*.{suffix}" for suffix in DATA if suffix != "traj"]
    if split is not None:
        wanted = [f"*{name}{pattern}" for name in (f"/{split}/", f"{split}-") for pattern in wanted]
    folder = Path(
        snapshot_download(repo, repo_type="dataset", revision=revision, allow_patterns=wanted)
    )
    held = [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]
    if not any(fnmatchcase(name, pattern) for name in held for pattern in wanted):
        what = f"split {split!r}" if split else "data file"
        raise SrftError(f"hf://datasets/{repo}: no {what} in revision {revision}")
    return folder
