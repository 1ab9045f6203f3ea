"""The Dagster instance is there whole, whatever came before and whoever opens it beside."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from srft_assets.components.launch import DATABASES, instance_in
from srft_assets.errors import SrftError, UsageError
from srft_assets.home import Home
from srft_assets.instance import POSTGRES, open_runs, prepare_instance


@pytest.fixture
def folder(home: Home) -> Path:
    return prepare_instance(home)


def tables(database: Path) -> set[str]:
    with sqlite3.connect(database) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}


def test_a_making_that_was_killed_is_made_again(folder: Path):
    left = folder / ".making-killed" / "history" / "runs"
    left.mkdir(parents=True)
    (left / "index.db").write_bytes(b"")
    with instance_in(folder) as instance:
        instance.add_dynamic_partitions("batch", ["a"])
        assert instance.get_dynamic_partitions("batch") == ["a"]


def test_all_tables_are_there_when_the_databases_appear(folder: Path, monkeypatch):
    appeared: dict[str, set[str]] = {}
    rename = Path.rename

    def watched(self: Path, target: Path) -> Path:
        if self.name in DATABASES:
            appeared.update({db.name: tables(db) for db in self.rglob("*.db")})
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", watched)
    instance_in(folder).dispose()
    assert set(appeared) == {"runs.db", "index.db", "schedules.db"}
    assert "dynamic_partitions" in appeared["index.db"]
    assert "runs" in appeared["runs.db"]


def test_several_may_be_first(folder: Path):
    with ThreadPoolExecutor(3) as pool:
        for instance in pool.map(lambda _: instance_in(folder), range(3)):
            instance.add_dynamic_partitions("batch", ["a"])
            instance.dispose()


def test_a_database_that_cannot_be_put_is_told(folder: Path, monkeypatch):
    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(OSError, match="No space left"):
        instance_in(folder)


@pytest.mark.parametrize("name", ["a b", "ü", "it's", "[x]*", "#1", "100%"])
def test_a_home_may_be_called_almost_anything(tmp_path: Path, name: str):
    folder = prepare_instance(Home(tmp_path / name))
    with instance_in(folder) as instance:
        instance.add_dynamic_partitions("batch", ["a"])
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert "dynamic_partitions" in tables(folder / "history" / "runs" / "index.db")


@pytest.mark.parametrize("name", ["what?", "a%20b"])
def test_a_name_that_is_read_as_part_of_a_url_is_refused(tmp_path: Path, name: str):
    with pytest.raises(UsageError, match="choose another SRFT_HOME"):
        prepare_instance(Home(tmp_path / name))
    assert list(tmp_path.iterdir()) == []


def test_a_home_that_cannot_be_made_is_told(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="dagster_home cannot be made: Not a directory"):
        prepare_instance(Home(tmp_path / "file"))


@pytest.mark.parametrize(
    ("written", "told"),
    [("- storage\n", "no mapping of settings"), (POSTGRES.decode(), "SRFT_DATABASE")],
)
def test_open_runs_are_not_looked_for_in_another_place(home: Home, folder: Path, written, told):
    (folder / "dagster.yaml").write_text(written)
    with pytest.raises(SrftError, match=told):
        open_runs(home)
