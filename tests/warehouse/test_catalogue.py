"""The catalogue shows what is there."""

from pathlib import Path

import polars as pl
import pytest

from srft_assets.home import Home
from srft_assets.platform.schemas import SCHEMAS
from srft_assets.warehouse.catalogue import Catalogue, Schemas, build_catalogue
from srft_assets.warehouse.partitions import Warehouse
from srft_assets.warehouse.query import run_query
from tests.warehouse.filled import OTHER_SCHEMAS, fill, put
from tests.warehouse.filled_figures import ONE
from tests.warehouse.filled_frames import trajectories
from tests.warehouse.windows import COUNT, opened_by_people


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


def test_a_home_that_two_hosts_mount_at_two_places_is_built_once_for_each(
    tmp_path: Path,
) -> None:
    here = Home(tmp_path / "here")
    fill(here)
    (tmp_path / "there").symlink_to(here.root)
    there = Home(tmp_path / "there")
    count = "SELECT count(*)::INTEGER FROM runs"
    for home in (here, there):
        assert build_catalogue(home, SCHEMAS)
    for home in (here, there):
        assert not build_catalogue(home, SCHEMAS)
        assert run_query(home, count).item() == 4


def test_the_order_of_schemas_does_not_matter(empty: Home) -> None:
    turned: Schemas = dict(reversed(SCHEMAS.items()))
    assert not build_catalogue(empty, turned)


def test_a_run_is_found_by_its_id(filled: Home) -> None:
    sql = "SELECT repo, n_steps FROM trajectories WHERE trajectory_id = $id"
    assert run_query(filled, sql, {"id": ONE}).rows() == [("django/django", 4)]
