"""Partitions are written whole or not at all, whatever happens to the writer."""

import errno
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import duckdb
import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing.parametric import dataframes

from srft_assets.errors import UsageError
from srft_assets.warehouse.partitions import Warehouse, check_partition_name, data_version
from tests.warehouse.filled import put

WRITER = """
import sys
from pathlib import Path
from typing import IO
import polars as pl
from srft_assets.warehouse.partitions import Warehouse
from tests.warehouse.filled import put

warehouse = Warehouse(Path(sys.argv[1]))
number = 0
while True:
    for partition in sys.argv[2:]:
        number += 1
        rows = 2000 + number % 7 * 100
        put(warehouse, "asset", partition, pl.DataFrame({"n": [number] * rows, "p": partition}))
    if number == len(sys.argv[2:]):
        print("first round", flush=True)
"""
STEP = pl.Struct({"thought": pl.String, "actions": pl.List(pl.Struct({"tool": pl.String}))})
KINDS = [pl.String, pl.Int32, pl.Boolean, pl.List(pl.String), pl.List(STEP)]
frames = dataframes(min_cols=1, max_cols=4, max_size=8, allowed_dtypes=KINDS)
CHECKOUT = Path(__file__).resolve().parent.parent.parent


@contextmanager
def writing(root: Path, *partitions: str) -> Iterator[subprocess.Popen[str]]:
    """A process that writes the partitions again and again; entered when all exist."""
    argv = [sys.executable, "-c", WRITER, str(root), *partitions]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "first round\n"
        yield process
    finally:
        process.kill()
        process.wait()


def check_whole(warehouse: Warehouse, partition: str) -> None:
    """One state of the partition: constant rows, and the stamp of these very rows."""
    frame = warehouse.read("asset", partition)
    assert frame["n"].n_unique() == 1
    assert frame["p"].unique().to_list() == [partition]
    assert frame.height == 2000 + frame["n"][0] % 7 * 100


def test_what_is_written_is_read(warehouse: Warehouse) -> None:
    frame = pl.DataFrame({"a": [1, None], "b": [[{"x": "y"}], []]})
    stamp = put(warehouse, "asset/arm", "p", frame)
    assert warehouse.read("asset/arm", "p").equals(frame)
    assert warehouse.stamp("asset/arm", "p") == stamp
    assert warehouse.partitions("asset/arm") == ["p"]


def test_what_was_never_made_is_told(warehouse: Warehouse) -> None:
    assert warehouse.stamp("asset", "p") is None
    assert warehouse.partitions("asset") == []
    with pytest.raises(FileNotFoundError):
        warehouse.read("asset", "p")


@pytest.mark.parametrize("name", ["", "a/b", "../x", ".hidden", "_schema", "a b", "a\0", "x" * 129])
def test_a_name_that_is_no_file_name_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="bad partition name"):
        check_partition_name(name)


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,40}", fullmatch=True))
def test_a_partition_lies_in_its_asset_s_folder(name: str) -> None:
    root = Path("/somewhere")
    path = Warehouse(root).path("asset", name)
    assert path.parent == root / "asset" and path.resolve() == path
    assert path.stem == name


def test_a_failed_write_leaves_the_old_partition_and_no_litter(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(warehouse, "asset", "p", pl.DataFrame({"n": [1]}))

    def full(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("srft_assets.files.os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        put(warehouse, "asset", "p", pl.DataFrame({"n": [2]}))
    assert warehouse.read("asset", "p")["n"].to_list() == [1]
    assert [path.name for path in (warehouse.root / "asset").iterdir()] == ["p.parquet"]


def test_what_a_killed_writer_left_is_swept_when_it_is_old(warehouse: Warehouse) -> None:
    folder = put_folder(warehouse)
    young, old = folder / ".p.parquet.1.tmp", folder / ".p.parquet.2.tmp"
    young.touch()
    old.touch()
    os.utime(old, (time.time() - 3700,) * 2)
    put(warehouse, "asset", "q", pl.DataFrame({"n": [1]}))
    names = {path.name for path in folder.iterdir()}
    assert names == {"p.parquet", "q.parquet", young.name}


def put_folder(warehouse: Warehouse) -> Path:
    """The folder of an asset with the partition p."""
    put(warehouse, "asset", "p", pl.DataFrame({"n": [1]}))
    return warehouse.path("asset", "p").parent


@settings(max_examples=40)
@given(frames)
def test_duckdb_and_arrow_read_the_rows_that_were_written(
    tmp_path_factory: pytest.TempPathFactory, frame: pl.DataFrame
) -> None:
    warehouse = Warehouse(tmp_path_factory.mktemp("w"))
    put(warehouse, "asset", "p", frame)
    path = warehouse.path("asset", "p")
    with duckdb.connect() as connection:
        assert connection.read_parquet(str(path)).fetchall() == frame.rows()
    assert pq.read_table(path).to_pylist() == frame.to_dicts()


def test_sigkill_leaves_a_whole_partition(warehouse: Warehouse) -> None:
    chance = random.Random(7)
    for _ in range(3):
        with writing(warehouse.root, "p") as process:
            time.sleep(chance.uniform(0.0, 0.1))
            process.send_signal(signal.SIGKILL)
            process.wait()
        check_whole(warehouse, "p")
        stamp = warehouse.stamp("asset", "p")
        assert stamp and stamp.data_version == data_version(warehouse.read("asset", "p"))
        assert warehouse.partitions("asset") == ["p"]


def test_writers_of_different_partitions_and_readers_never_meet(warehouse: Warehouse) -> None:
    with writing(warehouse.root, "a", "b"), writing(warehouse.root, "c", "d"):
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            assert warehouse.partitions("asset") == ["a", "b", "c", "d"]
            for partition in "abcd":
                check_whole(warehouse, partition)


def test_two_writers_of_one_partition_leave_the_work_of_one(warehouse: Warehouse) -> None:
    with writing(warehouse.root, "p"), writing(warehouse.root, "p"):
        time.sleep(0.5)
    check_whole(warehouse, "p")
    stamp = warehouse.stamp("asset", "p")
    assert stamp and stamp.data_version == data_version(warehouse.read("asset", "p"))


@pytest.mark.parametrize("times", [1, 2])
def test_what_another_host_replaced_between_name_and_content_is_found_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    warehouse = Warehouse(tmp_path)
    put(warehouse, "asset", "a", pl.DataFrame({"n": [1]}))
    stale, open_it = iter(range(times)), Path.open

    def first_stale(path: Path, *how: str) -> IO[bytes]:
        if next(stale, None) is not None:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        return open_it(path, *how)

    monkeypatch.setattr(Path, "open", first_stale)
    if times == 1:
        assert warehouse.read("asset", "a").rows() == [(1,)]
    else:
        with pytest.raises(OSError, match="Stale file handle"):
            warehouse.read("asset", "a")
