"""Ledgers of files are taken over whole, and nothing that was paid for is lost on the way.

`old_home/ledger` was written by the version before the database: a compacted file, and two of
writers with a doubled answer, a damaged line and a torn one.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from srft_assets.critic.ledger import Ledger
from srft_assets.critic.old_ledger import decode, encode
from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.platform.schemas import SCHEMAS
from srft_assets.warehouse.catalogue import build_catalogue
from srft_assets.warehouse.query import run_query
from tests.critic.ledger_support import key_of, reply

OLD = Path(__file__).parent / "old_home"
SOUND = (1, 2, 3, 4, 5, 7)
IMPORTER = """
import os, shutil, signal, sys
from pathlib import Path
import sqlalchemy as sa
from srft_assets.critic.ledger import Ledger
from srft_assets.home import Home

left = 0

def write(*words, **more):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

def before(module, name):
    act = getattr(module, name)
    def stopped(*words, **more):
        write()
        return act(*words, **more)
    setattr(module, name, stopped)

def killed_at(moment):
    global left
    shutil.copytree(sys.argv[1], Path(sys.argv[2], str(moment)))
    child = os.fork()
    if child == 0:
        left = moment
        Ledger(Home(Path(sys.argv[2], str(moment)))).close()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

for name in ("rename", "replace", "fsync", "unlink"):
    before(os, name)
    if hasattr(Path, name):
        before(Path, name)
sa.event.listen(sa.Engine, "before_cursor_execute", write)
sa.event.listen(sa.Engine, "commit", write)
moment = 1
while (ended := killed_at(moment)) == -signal.SIGKILL:
    database = Path(sys.argv[2], str(moment), "srft.db")
    moment += 1 if database.exists() and database.stat().st_size else 7
print(moment, ended)
"""
"""Imports a copy of the first folder again and again, killed at its n-th write, until it ends; at
every seventh while the database is made."""


@pytest.fixture
def old(home: Home) -> Home:
    shutil.copytree(OLD, home.root)
    return home


def found(home: Home) -> dict[str, str | None]:
    with Ledger(home) as ledger:
        replies = ledger.find([key_of(number) for number in range(10)])
    return {key: each.content for key, each in replies.items()}


def as_it_was() -> dict[str, str | None]:
    given = {number: reply(number).content for number in SOUND}
    given |= {2: None, 3: '{"steps": [', 5: "a\ud800\x00\x1b[31m"}
    return {key_of(number): content for number, content in given.items()}


def test_every_sound_answer_is_taken_over_and_the_first_of_two_stands(old: Home) -> None:
    assert found(old) == as_it_was()
    assert not old.ledger.exists()
    kept = {path.name for path in (old.root / "ledger-taken-over").iterdir()}
    assert kept == {path.name for path in (OLD / "ledger").iterdir()}


def test_what_is_passed_over_is_told(old: Home, caplog: pytest.LogCaptureFixture) -> None:
    found(old)
    told = [record.getMessage() for record in caplog.records]
    assert sum("is passed over: damaged" in line for line in told) == 1
    assert sum("is passed over: torn" in line for line in told) == 1
    assert any("took 6 answers into the database" in line for line in told)


def test_what_was_taken_over_is_in_critic_calls(old: Home) -> None:
    found(old)
    build_catalogue(old, SCHEMAS)
    sql = "SELECT critic, count(*) FROM critic_calls GROUP BY ALL ORDER BY ALL"
    assert run_query(old, sql).rows() == [("default", 5), ("strict", 1)]


def test_answers_kept_since_stay_unless_they_are_later(home: Home) -> None:
    with Ledger(home) as ledger:
        ledger.keep(reply(1, at="2027-01-01", content="later"))
        ledger.keep(reply(7, at="2020-01-01", content="earlier"))
    shutil.copytree(OLD / "ledger", home.ledger)
    assert found(home)[key_of(1)] == reply(1).content
    assert found(home)[key_of(7)] == "earlier"


def test_a_damaged_parquet_file_is_told_and_nothing_is_taken(old: Home) -> None:
    path = old.ledger / "compact-1.parquet"
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    for _ in range(2):
        with pytest.raises(SrftError, match=r"compact-1.parquet is damaged"):
            found(old)
    path.write_bytes(whole)
    assert found(old) == as_it_was()


def test_killed_at_any_write_all_is_as_before_or_as_after(tmp_path: Path) -> None:
    command = [sys.executable, "-c", IMPORTER, str(OLD), str(tmp_path)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    moments, ended = map(int, done.stdout.split())
    assert ended == 0 and moments > 20, "every write was met"
    homes = [Home(path) for path in tmp_path.iterdir()]
    untouched = 0
    for home in homes:
        assert home.ledger.is_dir() != (home.root / "ledger-taken-over").is_dir()
        untouched += home.ledger.is_dir()
        assert found(home) == as_it_was()
        calls = pl.read_parquet(home.warehouse / "critic_calls" / "*" / "*.parquet")
        assert calls.height == len(SOUND)
    assert 0 < untouched < len(homes)


def test_a_database_that_was_moved_away_comes_back_from_critic_calls(home: Home) -> None:
    from srft_assets.critic.calls import write_calls

    with Ledger(home) as ledger:
        for number in range(5):
            ledger.keep(reply(number, batch="a"))
    write_calls(home, "default", "a")
    for path in home.root.glob("srft.db*"):
        path.rename(path.with_name(f"away-{path.name}"))
    with Ledger(home) as ledger:
        assert [each for each, sound in ledger.everything() if sound] == sorted(
            (reply(number, batch="a") for number in range(5)), key=lambda one: one.key
        )


@pytest.mark.parametrize(
    "changes",
    [{}, {"content": "a\ud800\x00"}, {"content": None, "refusal": "ä"}, {"about": "\ud800"}],
)
def test_a_line_is_read_as_it_was_written(changes: dict) -> None:
    whole = reply(1, batch="a", **changes)
    line = encode(whole)
    assert decode(line) == whole
    for wrong in (line[:-1], line.replace(b"default", b"Default"), b"{}\n", b"\xff\n"):
        assert isinstance(decode(wrong), str)
