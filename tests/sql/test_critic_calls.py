"""The ledger in SQL, on the calls of `tests/warehouse/filled_ledger.py`."""

import shutil
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from srft_assets.cli.platform import refresh_catalogue
from srft_assets.critic.calls import write_calls
from srft_assets.critic.ledger import Ledger
from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.platform.schemas import SCHEMAS
from srft_assets.warehouse.catalogue import build_catalogue
from srft_assets.warehouse.query import run_query
from tests.critic.ledger_support import key_of, reply
from tests.warehouse.filled_ledger import CALLS

CHECKOUT = Path(__file__).resolve().parent.parent.parent


def rows(home: Home, sql: str) -> list[tuple[Any, ...]]:
    return run_query(home, sql).rows()


def test_a_request_is_one_row_whatever_came_of_it(filled: Home) -> None:
    sql = "SELECT key, model, answer FROM critic_calls ORDER BY trajectory_id"
    assert rows(filled, sql) == [
        (key_of(1), "critic-32b", '{"steps": [1]}'),
        (key_of(2), "critic-32b", None),
        (key_of(3), "critic-32b", '{"steps": ['),
        (key_of(4), "critic-32b", '{"steps": [4]}'),
        (key_of(5), "critic-32b", '{"steps": [5]}'),
        (key_of(6), "critic-32b", "a\ufffd\x00\x1b[31m"),
    ]


def test_a_call_says_who_what_when_and_how_much(filled: Home) -> None:
    sql = f"SELECT * EXCLUDE (key, answer) FROM critic_calls WHERE key = '{key_of(2)}'"
    (row,) = run_query(filled, sql).iter_rows(named=True)
    answered_at = row.pop("answered_at")
    assert answered_at.astimezone(UTC) == datetime(2026, 11, 23, 10, 0, 2, tzinfo=UTC)
    assert row == {
        "critic": "strict",
        "trajectory_id": "django__django-2",
        "model": "critic-32b",
        "prompt_tokens": 1002,
        "completion_tokens": 20,
        "cached_tokens": 900,
        "seconds": 1.5,
        "retries": 1,
        "finish_reason": "stop",
        "refused": True,
    }


def test_costs_are_by_critic_model_and_day_of_utc(filled: Home) -> None:
    sql = "SELECT critic, day, calls, refused_calls, cut_calls, prompt_tokens FROM critic_costs"
    assert rows(filled, sql) == [
        ("default", date(2026, 11, 24), 1, 0, 0, 1006),
        ("default", date(2026, 11, 23), 3, 0, 1, 3012),
        ("strict", date(2026, 11, 23), 2, 1, 0, 2003),
    ]


def test_calls_that_were_paid_for_in_vain_are_listed(filled: Home) -> None:
    assert run_query(filled, "unusable_answers")["key"].to_list() == [key_of(3), key_of(2)]


def test_there_may_be_no_call_yet(home: Home) -> None:
    build_catalogue(home, SCHEMAS)
    assert rows(home, "FROM critic_calls") == []


def test_people_see_the_same_with_duckdb_itself(filled: Home) -> None:
    with duckdb.connect(filled.catalogue, read_only=True) as connection:
        assert connection.sql("SELECT count(*) FROM critic_calls").fetchall() == [(CALLS,)]


def test_a_call_counts_once_whatever_files_hold_it(home: Home) -> None:
    build_catalogue(home, SCHEMAS)
    with Ledger(home) as ledger:
        ledger.keep(reply(1, batch="a"))
    write_calls(home, "default", "a")
    folder = home.warehouse / "critic_calls" / "default"
    shutil.copy(folder / "a.parquet", folder / "b.parquet")
    assert rows(home, "SELECT key FROM critic_calls") == [(key_of(1),)]


KILLED = """
import os, signal, sys
from pathlib import Path
from srft_assets.critic.calls import calls_written
from srft_assets.critic.ledger import Ledger
from srft_assets.home import Home
from tests.critic.ledger_support import reply

home = Home(Path(sys.argv[1]))
with Ledger(home) as ledger, calls_written(home, "default", "a"):
    ledger.keep(reply(1, batch="a"))
    print("kept", flush=True)
    sys.stdin.readline()
"""


def test_calls_of_a_killed_process_are_there_with_the_next_question(home: Home) -> None:
    command = [sys.executable, "-c", KILLED, str(home.root)]
    with subprocess.Popen(
        command, cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout and process.stdout.readline() == "kept\n"
        refresh_catalogue(home)
        assert rows(home, "SELECT key FROM critic_calls") == [(key_of(1),)], "also while it works"
        with Ledger(home) as ledger:
            ledger.keep(reply(2, batch="a"))
        process.kill()
    refresh_catalogue(home)
    assert len(rows(home, "FROM critic_calls")) == 2
    assert list((home.warehouse / "critic_calls").rglob("*.lock")) == []


def test_nothing_beside_the_warehouse_can_be_read(filled: Home, tmp_path: Path) -> None:
    for outside in (tmp_path, Path(f"{filled.warehouse}2")):
        outside.mkdir(exist_ok=True)
        (outside / "secret.jsonl").write_text('{"a": 1}\n')
        with pytest.raises(SrftError, match="only the warehouse can be read"):
            run_query(filled, f"SELECT * FROM read_json('{outside}/secret.jsonl')")
        with pytest.raises(SrftError, match="only the warehouse can be read"):
            run_query(filled, f"SELECT * FROM read_json('{filled.warehouse}/../secret.jsonl')")


def test_a_folder_named_like_a_pattern_is_read_as_it_is_named(tmp_path: Path) -> None:
    home = Home(tmp_path / "a'[b]*")
    build_catalogue(home, SCHEMAS)
    with Ledger(home) as ledger:
        ledger.keep(reply(1, batch="a"))
    write_calls(home, "default", "a")
    assert rows(home, "SELECT key FROM critic_calls") == [(key_of(1),)]
