"""The database: whole or absent, at the version of the code, and told in one line when it fails."""

import os
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from srft_assets.database.backup import backups, unsound
from srft_assets.database.read import HEAD, read_rows
from srft_assets.database.store import (
    BATCHES,
    CLAIMS,
    METADATA,
    MIGRATIONS,
    Database,
    database_of,
    insert_once,
)
from srft_assets.errors import SrftError, UsageError
from srft_assets.home import Home
from srft_assets.platform.database_copy import copy_database
from srft_assets.seeds import more_seeds
from srft_assets.trajectories.batches import batch_names
from srft_assets.trajectories.ingest import ingest
from tests.trajectories.ingest_support import run_of, write_lines


def claim(database: Database, key: str) -> bool:
    with database.write() as connection:
        return insert_once(connection, CLAIMS, {"key": key, "owner": "me"})


def test_it_is_made_at_first_use_and_found_again(home: Home) -> None:
    assert claim(database_of(home), "a")
    assert database_of(home).rows(CLAIMS, ["a", "b"]) == [("a", "me")]
    assert (home.root / "srft.db").exists()


def test_a_row_is_inserted_once(home: Home) -> None:
    assert claim(database_of(home), "a")
    assert not claim(database_of(home), "a")


def test_many_keys_are_read_at_once(home: Home) -> None:
    database = database_of(home)
    with database.write() as connection:
        connection.execute(
            sa.insert(CLAIMS), [{"key": str(number), "owner": ""} for number in range(3000)]
        )
    found = database.rows(CLAIMS, [str(number) for number in range(1000, 4000)], CLAIMS.c.key)
    assert len(found) == 2000


def test_every_commit_is_on_the_disk_and_readers_do_not_block(home: Home) -> None:
    database = database_of(home)
    with database.read() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.execute(sa.select(CLAIMS)).all() == []
        with ThreadPoolExecutor(1) as other:
            assert other.submit(claim, database, "a").result(5)


def test_what_fails_in_the_middle_leaves_nothing(home: Home) -> None:
    database = database_of(home)
    with pytest.raises(ZeroDivisionError), database.write() as connection:
        insert_once(connection, CLAIMS, {"key": "a", "owner": ""})
        raise ZeroDivisionError
    assert database.rows(CLAIMS, ["a"]) == []


def names(home: Home) -> list[tuple]:
    return read_rows(home, "SELECT name, written_ns FROM batches WHERE name = :name", name="a")


def test_rows_are_read_without_sqlalchemy_and_no_database_is_made(home: Home) -> None:
    assert names(home) == [] and not home.root.exists()
    database = database_of(home)
    with database.write() as connection:
        row = {"name": "a", "number": 0, "manifest": "{}", "written_ns": 5}
        connection.execute(sa.insert(BATCHES), row)
    assert names(home) == [("a", 5)]
    assert read_elsewhere(home, "SELECT name FROM batches") == "[('a',)] False"


def read_elsewhere(home: Home, query: str) -> str:
    """What another process reads, and whether it loads SQLAlchemy for that."""
    program = (
        "import sys; from pathlib import Path; from srft_assets.home import Home;"
        "from srft_assets.database.read import read_rows;"
        "print(read_rows(Home(Path(sys.argv[1])), sys.argv[2]), 'sqlalchemy' in sys.modules)"
    )
    argv = [sys.executable, "-c", program, str(home.root), query]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()


def test_a_database_of_an_earlier_version_is_brought_up_by_who_reads_it(home: Home) -> None:
    database = database_of(home)
    with database.write() as connection:
        connection.execute(sa.text("ALTER TABLE batches DROP COLUMN written_ns"))
        for table in ("seeds", "jobs", "job_calls", "turns"):
            connection.execute(sa.text(f"DROP TABLE {table}"))
        connection.execute(sa.text("DROP INDEX answers_by_time"))
        connection.execute(sa.text("INSERT INTO batches VALUES ('a', 0, '{}')"))
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0001'"))
    assert read_elsewhere(home, "SELECT name, written_ns FROM batches") == "[('a', 0)] True"
    (copy,) = backups(home.root / "srft.db")
    with closing(sqlite3.connect(copy)) as before:
        assert before.execute("SELECT version_num FROM alembic_version").fetchall() == [("0001",)]


MAKER = """
import sys
from pathlib import Path
from srft_assets.database.store import CLAIMS, database_of, insert_once
from srft_assets.home import Home

print("ready", flush=True)
sys.stdin.readline()
database = database_of(Home(Path(sys.argv[1])))
for number in range(20):
    with database.write() as connection:
        insert_once(connection, CLAIMS, {"key": f"{sys.argv[2]} {number}", "owner": ""})
"""


def test_processes_that_make_it_at_once_make_one_and_all_write(home: Home) -> None:
    makers = [
        subprocess.Popen(
            [sys.executable, "-c", MAKER, str(home.root), str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(4)
    ]
    for maker in makers:
        assert maker.stdout and maker.stdout.readline() == "ready\n"
    for maker in makers:
        assert maker.stdin
        maker.stdin.write("go\n")
        maker.stdin.flush()
    for maker in makers:
        maker.communicate(timeout=120)
        assert maker.returncode == 0
    keys = [f"{maker} {number}" for maker in range(4) for number in range(20)]
    assert len(database_of(home).rows(CLAIMS, keys)) == 80
    assert not list(home.root.glob(".*.tmp"))


def test_the_tables_are_those_of_the_migrations(tmp_path: Path) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD
    from alembic import command

    engine = sa.create_engine(f"sqlite:///{tmp_path / 'migrated.db'}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []


def test_a_database_of_a_later_version_is_told(home: Home) -> None:
    database = database_of(home)
    with database.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    moved = home.root / "other.db"
    (home.root / "srft.db").rename(moved)
    moved.rename(home.root / "srft.db")
    (home.root / "srft.db").touch()
    said = in_another_process(home)
    assert "is of another version of srft" in said and "9999" in said


def in_another_process(home: Home) -> str:
    """What the last line of a failing command is."""
    program = (
        "import sys; from pathlib import Path; from srft_assets.home import Home;"
        "from srft_assets.database.store import database_of, CLAIMS;"
        "database_of(Home(Path(sys.argv[1]))).rows(CLAIMS, ['a'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(home.root)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    return done.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize("content", [b"no database" * 1000, b""])
def test_a_damaged_file_is_named_with_the_way_out(home: Home, content: bytes) -> None:
    path = home.root / "srft.db"
    path.parent.mkdir()
    path.write_bytes(content)
    if content:
        said = in_another_process(home)
        assert f"{path} is damaged" in said and "srft doctor --repair" in said
        assert "critic_calls" in said
    else:
        assert database_of(home).rows(CLAIMS, ["a"]) == [], "an empty file is an empty database"


def test_a_page_that_is_damaged_is_named_too(home: Home) -> None:
    database = database_of(home)
    with database.write() as connection:
        connection.execute(
            sa.insert(CLAIMS), [{"key": str(number), "owner": "x" * 60} for number in range(5000)]
        )
    with database.read() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    path = home.root / "srft.db"
    content = bytearray(path.read_bytes())
    content[8192:] = os.urandom(len(content) - 8192)
    path.write_bytes(content)
    assert "is damaged" in in_another_process(home)


def test_a_file_that_was_moved_away_is_made_anew(home: Home) -> None:
    claim(database_of(home), "a")
    for path in home.root.glob("srft.db*"):
        path.rename(path.with_name(f"away-{path.name}"))
    assert claim(database_of(home), "a")


def test_nothing_is_written_to_a_file_that_was_moved_away(home: Home) -> None:
    database = database_of(home)
    (home.root / "srft.db").rename(home.root / "away.db")
    with pytest.raises(SrftError, match="moved away or replaced during work"):
        claim(database, "a")


def test_another_place_is_named_by_a_url(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere.db"
    monkeypatch.setenv("SRFT_DATABASE", f"sqlite:///{elsewhere}")
    claim(database_of(home), "a")
    assert elsewhere.exists() and not home.root.exists()
    monkeypatch.setenv("SRFT_DATABASE", "postgresql://me:word@host/db")
    with pytest.raises(UsageError, match=r"me:\*\*\*@host.*postgresql\+psycopg2://"):
        database_of(home)
    monkeypatch.setenv("SRFT_DATABASE", "nonsense")
    with pytest.raises(UsageError, match="no URL"):
        database_of(home)


def test_a_database_that_cannot_be_read_now_is_not_called_damaged(tmp_path: Path) -> None:
    with pytest.raises(SrftError, match="cannot be read now"):
        unsound(tmp_path / "absent.db")


def test_a_database_of_a_later_version_is_not_copied(home: Home) -> None:
    with database_of(home).write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    assert "9999" in in_another_process(home)
    assert list(backups(home.root / "srft.db")) == []


def test_what_a_target_numbers_otherwise_is_told_and_it_stays_as_it_was(
    home: Home, tmp_path: Path
) -> None:
    """Another batch was the first one there."""
    ingest(home, [write_lines(tmp_path / "mine.jsonl", [run_of("a")])])
    more_seeds(home, 1)
    other = Home(tmp_path / "other")
    ingest(other, [write_lines(tmp_path / "theirs.jsonl", [run_of("b")])])
    with pytest.raises(UsageError, match=r"takes no such batches .*: name an empty database"):
        copy_database(home, f"sqlite:///{other.database}")
    assert batch_names(other) == ["theirs"] and list(read_rows(other, "SELECT * FROM seeds")) == []
