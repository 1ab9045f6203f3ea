"""`srft sql` answers questions, also while others write."""

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import duckdb
import pytest

from srft_assets.home import Home
from srft_assets.warehouse.partitions import Warehouse
from srft_assets.warehouse.query import read_steady, run_query
from srft_assets.warehouse.sql import text_literal
from tests.warehouse.test_store import writing


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) FROM trajectories",
        "FROM steps LIMIT 1",
        "WITH a AS (SELECT 1 AS x) SELECT x FROM a",
        "DESCRIBE steps",
        "SHOW TABLES",
        "SUMMARIZE label_shares",
        "EXPLAIN SELECT count(*) FROM steps",
        "explain analyze select count(*) from steps",
        "VALUES (1), (2)",
        "SELECT 1;",
        "-- a comment\nSELECT ';' AS x",
        "SELECT INTERVAL 1 DAY AS a, {'b': [1, 2]} AS b, MAP {'k': 1} AS c",
    ],
)
def test_questions_are_answered(filled: Home, sql: str) -> None:
    assert run_query(filled, sql).height >= 1


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("[INTERVAL 1 DAY]", "[1 day]"),
        ("{'x': union_value(a := 1)}", "{'x': 1}"),
        ("MAP {'k': INTERVAL 1 DAY}", "{k=1 day}"),
        ("'101'::BIT", "101"),
        ("-12::BIGNUM", "-12"),
        ("[1]::VARIANT", "[1]"),
        ("TIMETZ '10:00:00+01'", "10:00:00+01"),
    ],
)
def test_what_a_frame_cannot_hold_comes_as_text(filled: Home, value: str, shown: str) -> None:
    assert run_query(filled, f"SELECT {value} AS x, 1 AS n").rows() == [(shown, "1")]


def test_a_named_query_and_a_bare_table_are_questions(filled: Home) -> None:
    assert run_query(filled, "demo_scores").height == 2
    assert run_query(filled, " label_shares ; ").height == 8


def test_parameters_are_values(filled: Home) -> None:
    sql = "SELECT count(*) FROM runs WHERE status = $status OR list_contains($ids, trajectory_id)"
    hostile = "resolved' OR true --"
    assert run_query(filled, sql, {"status": hostile, "ids": []}).item() == 0


def test_questions_of_several_threads_are_answered(filled: Home) -> None:
    counts: list[int] = []

    def ask() -> None:
        counts.extend(run_query(filled, "SELECT count(*) FROM runs").item() for _ in range(3))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == [4] * 12


def test_a_question_needs_no_other_module_of_the_platform(filled: Home) -> None:
    code = """
import json, sys
from pathlib import Path
from srft_assets.home import Home
from srft_assets.warehouse.sql import text_literal
from srft_assets.warehouse.query import run_query
run_query(Home(Path(sys.argv[1])), "SELECT 1")
heavy = ("torch", "dagster", "transformers")
print(json.dumps([name for name in heavy if name in sys.modules]))
"""
    argv = [sys.executable, "-c", code, str(filled.root)]
    checkout = Path(__file__).resolve().parent.parent.parent
    done = subprocess.run(argv, capture_output=True, text=True, check=True, cwd=checkout)
    assert json.loads(done.stdout) == []


def test_partitions_that_are_being_replaced_are_seen_whole(home: Home) -> None:
    """Two processes replace partitions all the time; no answer mixes two states."""
    warehouse = Warehouse(home.warehouse)
    files = text_literal(f"{home.warehouse}/asset/*.parquet")
    sql = f"""
        SELECT parse_filename(file, true), count(DISTINCT n), count(*)::INTEGER, any_value(n)
        FROM read_parquet({files}, filename = 'file') GROUP BY 1 ORDER BY 1
    """
    with writing(warehouse.root, "a"), writing(warehouse.root, "b"), duckdb.connect() as connection:
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            rows = read_steady(home, lambda: connection.sql(sql).fetchall())
            for name, states, height, number in rows:
                assert states == 1, name
                assert height == 2000 + number % 7 * 100, name
            assert [name for name, *_ in rows] == ["a", "b"]


def test_an_error_in_a_moment_of_peace_is_told_at_once(home: Home) -> None:
    def broken() -> None:
        raise duckdb.Error("TProtocolException: Invalid data")

    home.warehouse.mkdir(parents=True)
    with pytest.raises(duckdb.Error, match="Invalid data"):
        read_steady(home, broken)
