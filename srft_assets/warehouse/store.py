"""Partitions as Parquet files, written whole or not at all."""

import fnmatch
import os
import re
import time
import uuid
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from srft_assets.errors import SrftError, UsageError
from srft_assets.warehouse.placing import sync_folder
from srft_assets.warehouse.stamp import KEY, Stamp, read_stamp, stamp_in

PARTITION_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
ONLY = "all"
"""Partition name of an asset without partitions."""
CALLS = "critic_calls"
"""Folder of what critics were paid for: it is of no asset, and so never orphaned."""
LEFT_SECONDS = 3600
"""A file beside a partition that nobody has written to for so long belongs to no living process."""


class InputChangedError(SrftError):
    """What a partition is made from changed after its recipe was written: write another."""


def check_partition_name(name: str) -> str:
    """The name, if it is safe as a file name; raises UsageError otherwise."""
    if not PARTITION_NAME.fullmatch(name):
        raise UsageError(
            f"bad partition name {name!r}: use letters, digits, '.', '_' and '-' (at most 128)"
        )
    return name


def matching(names: Iterable[str], patterns: Sequence[str]) -> list[str]:
    """The names that match one of the shell patterns, sorted."""
    return sorted(
        name for name in names if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
    )


@dataclass(frozen=True, slots=True)
class Warehouse:
    """All partitions below one folder. Readers see the whole old or the whole new partition."""

    root: Path

    def path(self, asset: str, partition: str = ONLY) -> Path:
        """`<root>/<asset>/<partition>.parquet`."""
        return self.root / asset / f"{check_partition_name(partition)}.parquet"

    def stamp(self, asset: str, partition: str = ONLY) -> Stamp | None:
        """Provenance of a partition; None where it was never made."""
        return read_stamp(self.path(asset, partition))

    def partitions(self, asset: str) -> list[str]:
        """Names of the partitions that exist, sorted."""
        return sorted(
            path.stem
            for path in (self.root / asset).glob("*.parquet")
            if PARTITION_NAME.fullmatch(path.stem)
        )

    def read(
        self,
        asset: str,
        partition: str = ONLY,
        columns: list[str] | None = None,
        version: str | None = None,
    ) -> pl.DataFrame:
        """Rows of one partition; with `version`, of that data version and no other.

        Read through one handle: polars opens a path twice, and another process may rename a new
        partition over the old one in between. Raises FileNotFoundError where it was never made,
        InputChangedError where it is of another version.
        """
        with self.path(asset, partition).open("rb") as file:
            if version is not None:
                found = stamp_in(file)
                if found is None or found.data_version != version:
                    raise InputChangedError(f"{asset}/{partition} was made anew meanwhile")
                file.seek(0)
            return pl.read_parquet(file, columns=columns)

    def write(
        self, asset: str, partition: str, frame: pl.DataFrame, stamp: Stamp | Future[Stamp]
    ) -> Path:
        """Put a partition in place: written beside it, fsynced, renamed over.

        A stamp to come is waited for when the rows are written, not before.
        """

        def metadata(_: object) -> dict[str, str]:
            known = stamp if isinstance(stamp, Stamp) else stamp.result()
            return {KEY: known.to_bytes().decode()}

        target = self.path(asset, partition)
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = target.parent / f".{target.name}.{uuid.uuid4().hex}.tmp"
        try:
            frame.write_parquet(
                beside,
                compression="zstd",
                compression_level=1,
                metadata=metadata,
            )
            with beside.open("rb") as file:
                os.fsync(file.fileno())
            beside.replace(target)
        finally:
            beside.unlink(missing_ok=True)
        sync_folder(target.parent)
        _sweep(target.parent)
        return target


def _sweep(folder: Path) -> None:
    """Remove what killed writers left; the files of living ones are young."""
    for left in folder.glob(".*.tmp"):
        with suppress(FileNotFoundError):
            if time.time() - left.stat().st_mtime > LEFT_SECONDS:
                left.unlink()
