"""The catalogue blocks nobody, and is blocked by nobody."""

import subprocess
import sys
from pathlib import Path

import duckdb

from srft_assets.home import Home
from srft_assets.platform.schemas import SCHEMAS
from srft_assets.warehouse.catalogue import Catalogue, build_catalogue
from srft_assets.warehouse.partitions import Warehouse
from srft_assets.warehouse.query import run_query
from tests.warehouse.filled import OTHER_SCHEMAS, put
from tests.warehouse.filled_frames import trajectories
from tests.warehouse.windows import COUNT, opened_by_people, session


def test_an_open_session_blocks_nobody_and_sees_what_is_new(empty: Home) -> None:
    """A DuckDB window, open for writing while everything else happens."""
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
from srft_assets.platform.schemas import SCHEMAS
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
