"""The catalogue shows what is there, blocks nobody, and is blocked by nobody."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import polars as pl
import pytest

from srft_assets.components.schemas import SCHEMAS
from srft_assets.home import Home
from srft_assets.warehouse.catalogue import Catalogue, build_catalogue
from srft_assets.warehouse.query import run_query
from srft_assets.warehouse.store import Warehouse
from srft_assets.warehouse.views import Schemas
from tests.warehouse.filled import OTHER_SCHEMAS, fill, put
from tests.warehouse.filled_figures import ONE
from tests.warehouse.filled_frames import trajectories

COUNT = "SELECT count(*)::INTEGER FROM steps"

SESSION = """
import sys
import duckdb

connection = duckdb.connect(sys.argv[1])
print("open", flush=True)
for line in sys.stdin:
    try:
        print(connection.execute(line).fetchall(), flush=True)
    except duckdb.Error as error:
        print(repr(error), flush=True)
connection.close()
print("closed", flush=True)
"""


class Session:
    """Somebody's own DuckDB window, which opens the file for writing as the CLI does."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def ask(self, sql: str) -> str:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(sql + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def close(self) -> str:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.close()
        return self.process.stdout.readline().strip()


@contextmanager
def session(file: Path) -> Iterator[Session]:
    argv = [sys.executable, "-c", SESSION, str(file)]
    process = subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        assert process.stdout and process.stdout.readline() == "open\n"
        yield Session(process)
    finally:
        process.kill()
        process.wait()


def opened_by_people(home: Home, sql: str) -> list[tuple]:
    with duckdb.connect(home.catalogue) as connection:
        return connection.execute(sql).fetchall()


def test_an_empty_warehouse_has_all_tables(empty: Home) -> None:
    assert opened_by_people(empty, COUNT) == [(0,)]
    assert opened_by_people(empty, "FROM partitions") == []


def test_the_files_hold_views_and_nothing_else(empty: Home) -> None:
    assert opened_by_people(empty, "SELECT * FROM duckdb_tables() WHERE NOT internal") == []


def test_new_partitions_are_seen_without_building_again(empty: Home) -> None:
    put(Warehouse(empty.warehouse), "trajectories", "real", trajectories("real"))
    assert run_query(empty, COUNT).item() == 10
    assert not build_catalogue(empty, SCHEMAS)


@pytest.mark.parametrize("folder", ["it's", 'say "hi"', "a b", "[x]*?", "ünï", "-- x", "$root"])
def test_a_folder_of_any_name_works(tmp_path: Path, folder: str) -> None:
    home = Home(tmp_path / folder)
    build_catalogue(home, SCHEMAS)
    put(Warehouse(home.warehouse), "trajectories", "real", trajectories("real"))
    assert run_query(home, COUNT).item() == 10
    assert opened_by_people(home, COUNT) == [(10,)]
    assert run_query(home, "SELECT asset, partition FROM partitions").rows() == [
        ("trajectories", "real")
    ]


def test_a_neighbour_that_a_pattern_would_match_is_another_platform(tmp_path: Path) -> None:
    one, other = Home(tmp_path / "a*"), Home(tmp_path / "ab")
    build_catalogue(one, SCHEMAS)
    put(Warehouse(other.warehouse), "trajectories", "real", trajectories("real"))
    assert run_query(one, COUNT).item() == 0


def test_a_column_that_an_older_partition_lacks_is_null(empty: Home) -> None:
    warehouse = Warehouse(empty.warehouse)
    put(warehouse, "trajectories", "old", trajectories("lab").drop("tools", "model"))
    put(warehouse, "trajectories", "real", trajectories("real"))
    sql = "SELECT batch, count(*), count(model) FROM trajectories GROUP BY batch ORDER BY batch"
    assert run_query(empty, sql).rows() == [("old", 1, 0), ("real", 3, 3)]


def test_a_column_that_only_another_version_knows_is_left_out(empty: Home) -> None:
    frame = trajectories("lab").with_columns(pl.lit(1).alias("from_the_future"))
    put(Warehouse(empty.warehouse), "trajectories", "lab", frame)
    assert "from_the_future" not in run_query(empty, "trajectories").columns


def test_it_is_built_again_exactly_where_something_changed(home: Home) -> None:
    def inode() -> int:
        return home.catalogue.stat().st_ino

    assert build_catalogue(home, SCHEMAS)
    first = inode()
    assert not build_catalogue(home, SCHEMAS)
    assert inode() == first
    assert build_catalogue(home, OTHER_SCHEMAS)
    assert inode() != first
    views = list(Catalogue(home).folder.glob("*.duckdb"))
    assert len(views) == 1


def test_what_somebody_deleted_comes_back(empty: Home) -> None:
    empty.catalogue.unlink()
    (empty.warehouse / "trajectories" / "_schema.parquet").unlink()
    build_catalogue(empty, SCHEMAS)
    assert opened_by_people(empty, COUNT) == [(0,)]


def test_a_moved_platform_shows_its_own_partitions(tmp_path: Path) -> None:
    old = Home(tmp_path / "old")
    fill(old)
    build_catalogue(old, SCHEMAS)
    old.root.rename(tmp_path / "new")
    new = Home(tmp_path / "new")
    assert build_catalogue(new, SCHEMAS)
    assert opened_by_people(new, "SELECT count(*)::INTEGER FROM runs") == [(4,)]


def test_an_open_session_blocks_nobody_and_sees_what_is_new(empty: Home) -> None:
    """The DuckDB window of the issue: open for writing while everything else happens."""
    warehouse = Warehouse(empty.warehouse)
    with session(empty.catalogue) as window:
        assert window.ask(COUNT) == "[(0,)]"
        put(warehouse, "trajectories", "real", trajectories("real"))
        assert window.ask(COUNT) == "[(10,)]"
        for length in (1, 3, 2):
            put(warehouse, "trajectories", "real", trajectories("real").head(length))
            expected = trajectories("real").head(length)["n_steps"].sum()
            assert window.ask(COUNT) == f"[({expected},)]"
            assert run_query(empty, COUNT).item() == expected
        assert build_catalogue(empty, OTHER_SCHEMAS)
        assert window.ask(COUNT) == "[(9,)]"
        assert run_query(empty, COUNT).item() == 9
        assert opened_by_people(empty, COUNT) == [(9,)]
        assert window.close() == "closed"
    assert opened_by_people(empty, COUNT) == [(9,)]


def test_unsaved_work_of_a_session_is_not_lost_when_the_views_change(empty: Home) -> None:
    before = empty.catalogue.stat().st_ino
    with session(empty.catalogue) as window:
        window.ask("CREATE TABLE mine AS SELECT 42 AS answer")
        assert build_catalogue(empty, OTHER_SCHEMAS)
        assert empty.catalogue.stat().st_ino == before
        assert run_query(empty, COUNT).item() == 0
        assert window.ask("FROM mine") == "[(42,)]"
        assert window.close() == "closed"
    assert opened_by_people(empty, "FROM mine") == [(42,)]
    build_catalogue(empty, OTHER_SCHEMAS)
    assert empty.catalogue.stat().st_ino != before
    assert opened_by_people(empty, COUNT) == [(0,)]
    with duckdb.connect(empty.root / "warehouse.previous.duckdb") as connection:
        assert connection.execute("FROM mine").fetchall() == [(42,)]


def test_a_session_killed_with_unsaved_work_leaves_a_file_that_opens(empty: Home) -> None:
    with session(empty.catalogue) as window:
        window.ask("CREATE TABLE mine AS SELECT 42 AS answer")
    build_catalogue(empty, OTHER_SCHEMAS)
    assert opened_by_people(empty, "FROM mine") == [(42,)]


BUILDER = """
import sys
from pathlib import Path
from srft_assets.home import Home
from srft_assets.warehouse.catalogue import build_catalogue
from srft_assets.components.schemas import SCHEMAS
from tests.warehouse.filled import OTHER_SCHEMAS

print("ready", flush=True)
for schemas in (OTHER_SCHEMAS, SCHEMAS):
    build_catalogue(Home(Path(sys.argv[1])), schemas)
"""


def test_builders_at_the_same_time_leave_a_catalogue_that_opens(empty: Home) -> None:
    checkout = Path(__file__).resolve().parent.parent.parent
    argv = [sys.executable, "-c", BUILDER, str(empty.root)]
    with subprocess.Popen(argv, cwd=checkout, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout and other.stdout.readline() == "ready\n"
        for schemas in (OTHER_SCHEMAS, SCHEMAS, OTHER_SCHEMAS):
            build_catalogue(empty, schemas)
            assert run_query(empty, COUNT).item() == 0
        assert other.wait() == 0
    build_catalogue(empty, SCHEMAS)
    assert opened_by_people(empty, COUNT) == [(0,)]
    names = {path.name for path in Catalogue(empty).folder.iterdir()}
    assert not any(name.endswith((".tmp", ".wal")) for name in names)


def test_the_order_of_schemas_does_not_matter(empty: Home) -> None:
    turned: Schemas = dict(reversed(SCHEMAS.items()))
    assert not build_catalogue(empty, turned)


def test_a_run_is_found_by_its_id(filled: Home) -> None:
    sql = "SELECT repo, n_steps FROM trajectories WHERE trajectory_id = $id"
    assert run_query(filled, sql, {"id": ONE}).rows() == [("django/django", 4)]
