"""The files of a ledger: those that writers append to, and those that compaction made."""

import re
from collections.abc import Iterable
from pathlib import Path

LINES = ".jsonl"
COMPACTED = re.compile(r"compact-(\d+)\.parquet")


def listing(folder: Path) -> list[str]:
    """Names of the files that hold replies, sorted; none where the folder is absent.

    While compaction puts its file in place and then removes those it merged, one listing can
    miss both. Two equal listings in a row cannot.
    """
    last: list[str] | None = None
    while (names := _names(folder)) != last:
        last = names
    return names


def _names(folder: Path) -> list[str]:
    try:
        names = [path.name for path in folder.iterdir()]
    except FileNotFoundError:
        return []
    return sorted(name for name in names if is_lines(name) or COMPACTED.fullmatch(name))


def is_lines(name: str) -> bool:
    """Whether a writer appends to the file of this name."""
    return name.endswith(LINES) and name[0] not in "._"


def compaction_number(name: str) -> int:
    """`n` of `compact-<n>.parquet`; 0 for other names."""
    found = COMPACTED.fullmatch(name)
    return int(found[1]) if found else 0


def newest_compaction_first(names: Iterable[str]) -> list[str]:
    """The names in the order to read them: a compaction says which others it has merged."""
    return sorted(names, key=lambda name: (-compaction_number(name), name))


def compaction_path(folder: Path, number: int) -> Path:
    """Where the compaction of this number lies."""
    return folder / f"compact-{number}.parquet"
