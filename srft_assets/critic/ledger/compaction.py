"""Merging the files of writers that are gone into one Parquet file."""

import fcntl
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from srft_assets.critic.ledger.compacted import write_compacted
from srft_assets.critic.ledger.folder import (
    compaction_number,
    compaction_path,
    is_lines,
    listing,
)
from srft_assets.critic.ledger.index import Index
from srft_assets.critic.ledger.record import TORN, fault
from srft_assets.errors import SrftError
from srft_assets.warehouse.placing import sync_folder

LOCK = ".compaction"


@dataclass(frozen=True, slots=True)
class Compacted:
    """What a compaction did.

    Attributes:
        file: the Parquet file it made; None where there was nothing to merge.
        merged: names of the files in it, now removed.
        replies: in the file.
        doubled: later answers to an answered request, dropped.
        torn: lines without an end, which nobody was told were kept; dropped.
        writing: names of files left alone because their writer is at work.
        damaged: names of files left alone because a line in them is damaged.
        bytes_before, bytes_after: of the merged files, and of the Parquet file.
    """

    file: str | None = None
    merged: tuple[str, ...] = ()
    replies: int = 0
    doubled: int = 0
    torn: int = 0
    writing: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()
    bytes_before: int = 0
    bytes_after: int = 0


def compact(folder: Path) -> Compacted:
    """Merge what no writer appends to any more, earlier compactions included, into one file.

    Rows keep the order in which they were written: calls of one run of a critic are looked up
    together and stay together. The file is put in place whole before those it merged are
    removed, and it names them: killed at any moment, readers see every reply, once.
    Raises SrftError where another compaction is at work, or a compacted file is damaged.
    """
    if not folder.is_dir():
        return Compacted()
    with _alone(folder), ExitStack() as locks:
        _finish_earlier(folder)
        names = listing(folder)
        found = {name: _look(folder / name, locks) for name in names if is_lines(name)}
        writing = tuple(name for name, look in found.items() if look is None)
        damaged = tuple(name for name, look in found.items() if look and look.damaged)
        merged = [name for name in names if name not in {*writing, *damaged}]
        if not any(map(is_lines, merged)):
            return Compacted(writing=writing, damaged=damaged)
        looks = [found[name] for name in merged if name in found]
        target = compaction_path(folder, 1 + max(map(compaction_number, names)))
        before = sum((folder / name).stat().st_size for name in merged)
        held, replies = _merge(folder, merged, target)
        _remove(folder, merged)
        return Compacted(
            file=target.name,
            merged=tuple(merged),
            replies=replies,
            doubled=held - replies,
            torn=sum(look.torn for look in looks if look),
            writing=writing,
            damaged=damaged,
            bytes_before=before,
            bytes_after=target.stat().st_size,
        )


def _merge(folder: Path, names: Sequence[str], target: Path) -> tuple[int, int]:
    """Put the compacted file in place; entries that the merged files held, and those kept."""
    beside = target.with_name(f".{target.name}.tmp")
    index = Index(folder)
    try:
        index.update(names)
        replies = write_compacted(beside, index.rows(), names)
        held = index.indexed
        beside.replace(target)
    finally:
        index.close()
        beside.unlink(missing_ok=True)
    sync_folder(folder)
    return held, replies


def _finish_earlier(folder: Path) -> None:
    """Remove what an earlier compaction had merged when it was killed."""
    index = Index(folder)
    try:
        index.open(listing(folder))
        _remove(folder, sorted(index.merged))
    finally:
        index.close()


def _remove(folder: Path, names: Sequence[str]) -> None:
    for name in names:
        (folder / name).unlink(missing_ok=True)
    sync_folder(folder)


@dataclass(frozen=True, slots=True)
class _Look:
    torn: int
    damaged: bool


def _look(path: Path, locks: ExitStack) -> _Look | None:
    """Lines of a file that are no replies. None where a writer has it; else it stays locked."""
    file = locks.enter_context(path.open("rb"))
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return None
    faults = [reason for reason in map(fault, file) if reason]
    return _Look(faults.count(TORN), any(reason != TORN for reason in faults))


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    with (folder / LOCK).open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            who = file.read(200).strip() or "another process"
            raise SrftError(f"the ledger is being compacted by {who}: wait for it") from None
        file.truncate(0)
        now = datetime.now(UTC)
        file.write(f"process {os.getpid()} on {socket.gethostname()} since {now:%H:%M:%S} UTC\n")
        file.flush()
        yield
