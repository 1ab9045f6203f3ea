"""A platform is of one account: private, and refused to others before anything is opened."""

import os
from pathlib import Path

import pytest

from srft_assets.database.store import CLAIMS, database_of, insert_once
from srft_assets.errors import UsageError
from srft_assets.home import Home, check_home
from srft_assets.instance import prepare_instance
from srft_assets.processes.locks import exclusive


def mode(path: Path) -> str:
    return oct(path.stat().st_mode & 0o777)


@pytest.fixture(params=[0o022, 0o002])
def umask(request: pytest.FixtureRequest):
    before = os.umask(request.param)
    yield
    os.umask(before)


def test_what_a_platform_makes_is_of_its_account_alone(home: Home, umask) -> None:
    with exclusive(home.warehouse / "_locks" / "a.lock"):
        pass
    database = database_of(home)
    with database.write() as connection:
        insert_once(connection, CLAIMS, {"key": "a", "owner": ""})
    prepare_instance(home)
    folders = (home.root, home.warehouse, home.dagster)
    assert [mode(folder) for folder in folders] == ["0o700"] * 3
    assert {mode(part) for part in home.root.glob("srft.db*") if part.is_file()} == {"0o600"}


def test_a_dagster_folder_that_was_there_becomes_private(home: Home) -> None:
    home.dagster.mkdir(parents=True, mode=0o755)
    assert mode(prepare_instance(home)) == "0o700"


def test_another_account_is_refused_in_one_line(home: Home, monkeypatch) -> None:
    database_of(home)
    owner = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: owner + 4242)
    with pytest.raises(UsageError, match=f"{home.root} is the platform of .*: work as"):
        check_home(home)


def test_root_is_refused_where_it_would_lock_the_owner_out(home: Home, monkeypatch) -> None:
    database_of(home)
    if os.geteuid() == 0:
        os.chown(home.database, 4242, 4242)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(UsageError, match=r"is the platform of .*: work as"):
        check_home(home)


def test_a_home_that_is_not_there_or_empty_is_nobodys(home: Home, monkeypatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 4242)
    check_home(home)
    home.root.mkdir()
    check_home(home)
