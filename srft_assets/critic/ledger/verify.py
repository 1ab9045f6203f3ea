"""Checking every line and every page of the ledger."""

import fcntl
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from srft_assets.critic.ledger.compacted import CompactedFile
from srft_assets.critic.ledger.folder import is_lines, listing, newest_compaction_first
from srft_assets.critic.ledger.record import TORN, fault, key_of
from srft_assets.errors import SrftError


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is no reply.

    Attributes:
        file: its name in the ledger's folder.
        line: from 1; None where the whole file is concerned.
        reason: what is wrong.
    """

    file: str
    line: int | None
    reason: str

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}, line {self.line}"
        return f"{where}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Report:
    """What a ledger holds.

    Attributes:
        files: that were read.
        replies: sound entries, doubled keys counted as often as they are there.
        doubled: keys that were answered more than once.
        damaged: entries that once were replies, or files that cannot be read.
        torn: last lines that a writer did not finish: nobody was told that they are kept.
    """

    files: int
    replies: int
    doubled: int
    damaged: tuple[Fault, ...]
    torn: tuple[Fault, ...]


def verify(folder: Path) -> Report:
    """Read everything. What a writer at work has not finished is no fault.

    Files that a compaction has merged and was killed before removing are passed over.
    """
    merged: frozenset[str] = frozenset()
    keys: Counter[bytes] = Counter()
    faults: list[Fault] = []
    files = 0
    for name in newest_compaction_first(listing(folder)):
        if name in merged:
            continue
        path = folder / name
        try:
            if is_lines(name):
                faults += _lines(path, keys)
            else:
                merged |= _compacted(path, keys)
        except FileNotFoundError:
            continue
        except SrftError as error:
            faults.append(Fault(name, None, str(error)))
        files += 1
    return Report(
        files=files,
        replies=keys.total(),
        doubled=sum(count > 1 for count in keys.values()),
        damaged=tuple(each for each in faults if each.reason != TORN),
        torn=tuple(each for each in faults if each.reason == TORN),
    )


def _lines(path: Path, keys: Counter[bytes]) -> Iterator[Fault]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            reason = fault(line)
            if reason is None:
                keys[key_of(line)] += 1
            elif reason != TORN or not _being_written(path):
                yield Fault(path.name, number, reason)


def _being_written(path: Path) -> bool:
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def _compacted(path: Path, keys: Counter[bytes]) -> frozenset[str]:
    """Count its keys, reading every page of every column; names of the files it has merged."""
    file = CompactedFile(path)
    try:
        keys.update(row["key"].encode() for _, row in file.rows())
        return file.sources
    finally:
        file.close()
