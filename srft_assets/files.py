"""Files and folders that are in place whole or not at all: the one atomic write."""

import os
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import chain, count
from pathlib import Path

LEFT_SECONDS = 3600
"""What lies beside a target, and nobody has written to for so long, is of no living process; nor is
what a clock that was ahead wrote in the future."""


@contextmanager
def replacing(target: Path, mark: str = "") -> Iterator[Path]:
    """A path beside the target, to write a file or a folder to, which takes its place at the end.

    `mark` stands in its name. It is made durable and renamed. Where the body raises, or the process
    is killed, the target stays as it was; a folder that is there already is first renamed, whole,
    and then removed. The parent is made where it is absent.
    """
    private(target.parent)
    beside = target.with_name(f".{target.name}.{mark}{uuid.uuid4().hex}.tmp")
    try:
        yield beside
        for path in [*beside.rglob("*"), beside]:
            _sync(path)
        aside = beside.with_name(f"{beside.stem}.old.tmp")
        if target.is_dir() and not target.is_symlink():
            target.rename(aside)
        try:
            beside.replace(target)
        except OSError:
            if aside.exists():
                aside.rename(target)
            raise
        _remove(aside)
    finally:
        _remove(beside)
    _sync(target.parent)


def private(folder: Path) -> None:
    """Make a folder, and those above it that are absent, for this account alone."""
    for absent in reversed([one for one in (folder, *folder.parents) if not one.exists()]):
        absent.mkdir(mode=0o700, exist_ok=True)


def place(target: Path, content: bytes) -> None:
    """Write a file whole or not at all; see `replacing`."""
    with replacing(target) as beside:
        beside.write_bytes(content)


def move(old: Path, new: Path, stays: bool = False) -> Path:
    """Rename, durably, to the first of `new`, `new-2`, `new-3`, … that is free; returns it.

    A file that `stays` has both names, until something else takes the place of the old one.
    """
    names = (new.with_name(f"{new.name}-{number}") for number in count(2))
    free = next(path for path in chain([new], names) if not path.exists())
    if stays:
        free.hardlink_to(old)
    else:
        old.rename(free)
    _sync(free.parent)
    return free


def remove_left(folder: Path, name: str = "") -> None:
    """Remove what killed writers left in a folder, of one target or of all: what is old."""
    for left in folder.iterdir():
        if left.name.startswith(f".{name}") and left.suffix == ".tmp":
            with suppress(FileNotFoundError):
                times = [path.stat().st_mtime for path in [left, *left.rglob("*")]]
                if abs(clock_of(folder) - max(times)) > LEFT_SECONDS:
                    _remove(left)


def clock_of(folder: Path) -> float:
    """Seconds of now, by the clock that gives what is written in `folder` its time: that of a file
    server is not this machine's. Where nothing can be written, this machine's."""
    with suppress(OSError), tempfile.NamedTemporaryFile(prefix=".", dir=folder) as probe:
        probe.write(b"now")
        probe.flush()
        return os.fstat(probe.fileno()).st_mtime
    return time.time()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def scratch(prefix: str) -> Iterator[Path]:
    """An empty folder below the temporary one, for what others may write to; gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    try:
        yield folder
    finally:
        remove_tree(folder)


def remove_tree(folder: Path) -> None:
    """Remove a folder, whatever lies in it and at any depth; no link is followed. Never raises.

    By rm(1) and chmod(1), which walk without recursion: `shutil.rmtree` of Python 3.11 ends in a
    RecursionError at a thousand nested folders, and `tempfile`'s clean-up changes modes through
    links (CVE-2023-6597).
    """
    script = 'rm -rf -- "$0" || { chmod -R u+rwx -- "$0"; rm -rf -- "$0"; }'
    with suppress(OSError):
        subprocess.run(["/bin/sh", "-c", script, folder], check=False, stderr=subprocess.DEVNULL)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        remove_tree(path)
    else:
        path.unlink(missing_ok=True)
