"""Several machines share a PostgreSQL database: what holds on one machine holds there."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa

from srft_assets.components.launch import open_instance
from srft_assets.components.run_repair import locked_run
from srft_assets.critic.ledger import Ledger
from srft_assets.database.read import read_rows
from srft_assets.database.store import (
    ANSWERS,
    BATCHES,
    CLAIMS,
    JOBS,
    SEEDS,
    _known,
    database_of,
    insert_once,
)
from srft_assets.definitions import defs
from srft_assets.errors import SrftError, UsageError
from srft_assets.home import Home
from srft_assets.instance import open_runs
from srft_assets.platform.database_copy import copy_database
from srft_assets.platform.repair import damaged
from srft_assets.seeds import more_seeds
from srft_assets.trajectories.batches import batch_names
from srft_assets.trajectories.ingest import ingest
from tests import postgres
from tests.critic import test_ledger
from tests.critic.ledger_support import key_of, reply
from tests.trajectories.ingest_support import run_of, write_lines

pytestmark = pytest.mark.skipif(postgres.PROGRAMS is None, reason=postgres.ABSENT)


@pytest.fixture(scope="module")
def socket() -> Iterator[str]:
    with postgres.server() as folder:
        yield folder


@pytest.fixture
def url(socket: str) -> str:
    return postgres.new_database(socket)


@pytest.fixture
def shared(home: Home, url: str, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home whose database is on the server."""
    monkeypatch.setenv("SRFT_DATABASE", url)
    return home


@pytest.mark.parametrize(
    "promise",
    [each for name, each in vars(test_ledger).items() if name.startswith("test_")],
    ids=lambda promise: promise.__name__,
)
def test_the_ledger_is_as_on_one_machine(promise, shared: Home) -> None:
    promise(shared)
    assert not shared.database.exists()


def test_a_text_that_no_server_keeps_as_text_comes_back_as_it_was(shared: Home) -> None:
    hostile = reply(1, content="a\ud800\x00\n", about="\x00", model="m\x00")
    with Ledger(shared) as ledger:
        ledger.keep(hostile)
    assert [kept for kept, sound in Ledger(shared).everything() if sound] == [hostile]
    [(model,)] = read_rows(shared, "SELECT model FROM answers WHERE key = :key", key=key_of(1))
    assert bytes(model) == b"m\x00"


def test_processes_that_make_it_at_once_make_one(shared: Home) -> None:
    script = (
        "import sys; from pathlib import Path; from srft_assets.home import Home\n"
        "from srft_assets.database.store import *\n"
        "with database_of(Home(Path(sys.argv[1]))).write() as here:\n"
        "    print(insert_once(here, CLAIMS, {'key': 'one', 'owner': sys.argv[2]}))\n"
    )

    def run(number: int) -> str:
        # Each host may see the home at another place, and then has other locks.
        argv = [sys.executable, "-c", script, f"{shared.root}-{number}", str(number)]
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout

    with ThreadPoolExecutor(3) as pool:
        assert sorted(pool.map(run, range(3))) == ["False\n", "False\n", "True\n"]


def test_writers_take_turns_and_readers_see_one_moment(shared: Home) -> None:
    database = database_of(shared)
    with database.read() as reading:
        assert reading.execute(sa.select(CLAIMS)).all() == []
        with database.write() as writing:
            insert_once(writing, CLAIMS, {"key": "a", "owner": "me"})
        assert reading.execute(sa.select(CLAIMS)).all() == []
    with pytest.raises(SrftError, match="read-only"), database.read() as reading:
        insert_once(reading, CLAIMS, {"key": "b", "owner": "me"})

    def raised(_: int) -> None:
        with database.write() as here:
            last = here.scalar(sa.select(sa.func.max(BATCHES.c.number))) or 0
            row = {"name": f"b{last}", "number": last + 1, "manifest": "{}", "written_ns": 0}
            here.execute(sa.insert(BATCHES), row)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(raised, range(20)))
    with database.read() as reading:
        assert reading.scalar(sa.select(sa.func.max(BATCHES.c.number))) == 20


def test_tables_of_ours_and_of_dagster_never_meet_whoever_the_account_is(shared: Home) -> None:
    """PostgreSQL looks for tables in the schema of the account's name first; here it is `srft`."""
    assert batch_names(shared) == []
    with open_instance(shared) as instance:
        assert instance.get_runs() == []
    assert batch_names(shared) == []


def test_the_server_too_gives_up_a_host_that_is_gone(shared: Home) -> None:
    """On a socket of this machine it shows 0 for what it was told."""
    asked = "SELECT name, reset_val FROM pg_settings WHERE name LIKE 'tcp_%'"
    with database_of(shared).read() as here:
        told = dict(row._tuple() for row in here.execute(sa.text(asked)))
    assert told == {
        "tcp_keepalives_idle": "10",
        "tcp_keepalives_interval": "5",
        "tcp_keepalives_count": "3",
        "tcp_user_timeout": "25000",
    }


def as_before(home: Home, *left: str) -> None:
    """Put the tables where earlier versions had them, without these and with one of Dagster's."""
    with database_of(home).write() as here:
        for name in (*left, "turns"):
            here.exec_driver_sql(f"DROP TABLE {name}")
        here.exec_driver_sql("UPDATE alembic_version SET version_num = '0003'")
        here.exec_driver_sql("CREATE SCHEMA IF NOT EXISTS srft")
        for name in sa.inspect(here).get_table_names():
            here.exec_driver_sql(f"ALTER TABLE {name} SET SCHEMA srft")
        if left:
            here.exec_driver_sql("CREATE TABLE srft.jobs (id integer)")
        here.exec_driver_sql("DROP SCHEMA srft_state")
    _known.cache_clear()


@pytest.mark.parametrize("left", [(), ("jobs", "job_calls")], ids=["0004", "0003"])
def test_tables_that_an_earlier_version_made_are_taken_over(
    shared: Home, left: tuple[str, ...]
) -> None:
    with Ledger(shared) as ledger:
        ledger.keep(reply(1))
    as_before(shared, *left)
    assert [kept for kept, _ in Ledger(shared).everything()] == [reply(1)]
    with database_of(shared).read() as here:
        assert {*sa.inspect(here).get_table_names("srft")} == {*left[:1], "alembic_version"}
        assert here.execute(sa.select(JOBS)).all() == []


def test_answers_of_two_versions_are_never_taken_for_none(shared: Home) -> None:
    database = database_of(shared)
    with database.write() as here:
        here.exec_driver_sql("CREATE SCHEMA srft")
        here.exec_driver_sql("CREATE TABLE srft.answers (key text)")
    _known.cache_clear()
    with pytest.raises(SrftError, match="in the schema srft, and others in srft_state"):
        database_of(shared)


def test_dagsters_history_lies_there_too(shared: Home, socket: str) -> None:
    with open_instance(shared) as instance:
        instance.add_dynamic_partitions("seed", ["7"])
        assert "postgres" in type(instance.event_log_storage).__module__
    assert not (shared.dagster / "history").exists()
    with dg.DagsterInstance.from_config(str(shared.dagster)) as again:
        assert "7" in again.get_dynamic_partitions("seed")


def test_runs_under_way_are_read_there(shared: Home) -> None:
    assert open_runs(shared) == []
    job = defs().resolve_implicit_global_asset_job_def()
    with open_instance(shared) as instance:
        assert open_runs(shared) == []
        with locked_run(shared) as tags:
            of_mini = {**tags, "dagster/partition": "mini"}
            status = dg.DagsterRunStatus.STARTED
            run = instance.create_run_for_job(job, tags=of_mini, status=status)
            (found,) = open_runs(shared)
            assert (found.run_id, found.by, found.status) == (run.run_id, "command", "started")
            assert (found.partition, found.since.date()) == ("mini", datetime.now(UTC).date())
            instance.report_run_failed(run)
            assert open_runs(shared) == []


def test_a_laptops_database_moves_and_loses_nothing(
    home: Home, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest(home, [write_lines(tmp_path / "mine.jsonl", [run_of("a")])])
    more_seeds(home, 2)
    with Ledger(home) as ledger:
        for number in range(1, 4):
            ledger.keep(reply(number, content="\ud800\x00"))
        before = [kept for kept, _ in ledger.everything()]
        ledger.claim(key_of(9))
        copied = copy_database(home, url)
        assert {name: count for name, count in copied.items() if count} == {
            "answers": 3,
            "batches": 1,
            "seeds": 2,
        }
    assert set(copy_database(home, url).values()) == {0}, "what is there is not copied again"
    monkeypatch.setenv("SRFT_DATABASE", url)
    assert batch_names(home) == ["mine"]
    assert [kept for kept, _ in Ledger(home).everything()] == before
    assert database_of(home).rows(CLAIMS, [key_of(9)]) == []
    assert list(damaged(home, {}, deep=True)) == []


def test_a_target_that_holds_others_is_left_as_it_is(
    home: Home, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Ledger(home) as ledger:
        ledger.keep(reply(1))
        ledger.keep(reply(2, content="mine"))
    monkeypatch.setenv("SRFT_DATABASE", url)
    with Ledger(home) as ledger:
        ledger.keep(reply(2, content="theirs"))
    monkeypatch.delenv("SRFT_DATABASE")
    with pytest.raises(UsageError, match="holds another answers"):
        copy_database(home, url)
    monkeypatch.setenv("SRFT_DATABASE", url)
    assert database_of(home).rows(ANSWERS, [key_of(1)], ANSWERS.c.key) == []
    assert database_of(home).rows(SEEDS, ["1"]) == []


def test_a_server_that_is_not_there_is_told_in_one_line(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SRFT_DATABASE", f"postgresql+psycopg2://me:word@/db?host={tmp_path}")
    with pytest.raises(SrftError, match=r"me:\*\*\*@") as told:
        database_of(home)
    assert "\n" not in str(told.value) and "word" not in str(told.value)
