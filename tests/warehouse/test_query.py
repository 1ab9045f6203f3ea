"""`srft sql` answers questions and does nothing else."""

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import duckdb
import polars as pl
import pytest

from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.warehouse.literal import text_literal
from srft_assets.warehouse.query import open_readonly, run_query
from srft_assets.warehouse.steady import read_steady
from srft_assets.warehouse.store import Warehouse
from tests.warehouse.filled_frames import trajectories
from tests.warehouse.test_store import writing

SECRET = "a secret of this process"


def refusal(home: Home, sql: str) -> str:
    with pytest.raises(SrftError) as caught:
        run_query(home, sql)
    line = str(caught.value)
    assert "\n" not in line
    return line


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


def test_a_named_query_and_a_bare_table_are_questions(filled: Home) -> None:
    assert run_query(filled, "demo_scores").height == 2
    assert run_query(filled, " label_shares ; ").height == 8


def test_parameters_are_values(filled: Home) -> None:
    sql = "SELECT count(*) FROM runs WHERE status = $status OR list_contains($ids, trajectory_id)"
    hostile = "resolved' OR true --"
    assert run_query(filled, sql, {"status": hostile, "ids": []}).item() == 0


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE t (a INTEGER)",
        "CREATE TEMP TABLE t (a INTEGER)",
        "CREATE OR REPLACE MACRO share(a, b) AS 1",
        "DROP VIEW steps",
        "INSERT INTO steps VALUES (1)",
        "UPDATE steps SET tool = 'x'",
        "DELETE FROM steps",
        "TRUNCATE steps",
        "COPY steps TO '{inside}/x.csv'",
        "COPY (SELECT 1) TO '{inside}/trajectories/real.parquet' (FORMAT parquet)",
        "EXPLAIN ANALYZE COPY steps TO '{inside}/x.csv'",
        "EXPLAIN /* */ ANALYZE COPY steps TO '{inside}/x.csv'",
        "EXPLAIN (ANALYZE) COPY steps TO '{inside}/x.csv'",
        "EXPORT DATABASE '{inside}/x'",
        "IMPORT DATABASE '{inside}'",
        "ATTACH '{inside}/x.duckdb' AS x",
        "ATTACH ':memory:' AS x",
        "USE memory",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET threads = 1",
        "RESET lock_configuration",
        "PRAGMA database_list",
        "CALL pragma_version()",
        "CHECKPOINT",
        "BEGIN",
        "PREPARE p AS SELECT 1",
        "VACUUM",
        "SELECT 1; SELECT 2",
        "SELECT 1; COPY steps TO '{inside}/x.csv'",
        "WITH a AS (INSERT INTO steps VALUES (1) RETURNING *) FROM a",
        "SELECT * FROM query('COPY steps TO ''{inside}/x.csv''')",
        "FROM enable_logging(storage = 'file', storage_config = {{'path': '{inside}/log'}})",
        "FROM enable_profiling()",
        "",
        "-- nothing",
        "SELEC 1",
    ],
)
def test_nothing_else_is_done(filled: Home, sql: str) -> None:
    before = sorted(filled.root.rglob("*"))
    assert refusal(filled, sql.format(inside=filled.warehouse))
    assert sorted(filled.root.rglob("*")) == before


@pytest.mark.parametrize(
    "source",
    [
        "read_text('/etc/passwd')",
        "read_blob('/etc/passwd')",
        "read_csv('/etc/passwd')",
        "'/etc/passwd'",
        "glob('/etc/*')",
        "sniff_csv('/etc/passwd')",
        "read_text('{inside}/../outside.txt')",
        "read_text('{inside}/trajectories/../../outside.txt')",
        "read_text('{inside}/*/../../outside.txt')",
        "read_parquet('{inside}/../outside.parquet')",
        "parquet_metadata('{inside}/../outside.parquet')",
        "parquet_kv_metadata('{inside}/../outside.parquet')",
        "read_duckdb('{inside}/../warehouse.duckdb')",
        "read_parquet('http://127.0.0.1:9/x.parquet')",
        "duckdb_secrets()",
        "a_frame_of_this_process",
    ],
)
def test_other_files_and_memory_are_not_read(filled: Home, source: str) -> None:
    a_frame_of_this_process = pl.DataFrame({"x": [SECRET]})
    (filled.root / "outside.txt").write_text(SECRET)
    a_frame_of_this_process.write_parquet(filled.root / "outside.parquet")
    line = refusal(filled, f"SELECT * FROM {source.format(inside=filled.warehouse)}")
    assert SECRET not in line and "root:" not in line


@pytest.mark.parametrize("up", ["[.][.]", ".*", "??", "**/[.][.]", "trajectories/[.][.]/.?"])
@pytest.mark.parametrize("reader", ["read_text", "read_blob", "glob"])
def test_no_pattern_leads_out_of_the_warehouse(filled: Home, reader: str, up: str) -> None:
    (filled.root / "outside.txt").write_text(SECRET)
    assert run_query(filled, f"FROM {reader}('{filled.warehouse}/{up}/outside.txt')").is_empty()


def test_variables_of_the_environment_are_not_read(filled: Home) -> None:
    assert "getenv" in refusal(filled, "SELECT getenv('HOME')")


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT * FROM stepz", "no table or view 'stepz'; did you mean steps"),
        ("trajectoris", "did you mean trajectories"),
        ("zzzz", 'list them with: srft sql "SHOW TABLES"'),
        ("SELECT tol FROM steps", '"tool"'),
        ("DROP TABLE steps", "DROP is not allowed, the warehouse is read-only: ask with one"),
        ("SELECT 1; SELECT 2", "2 statements given: ask one at a time"),
        ("SELECT * FROM read_text('/etc/passwd')", "only the warehouse and the ledger can be read"),
        ("SELECT 'x'::INTEGER", "Could not convert string 'x'"),
    ],
)
def test_a_refusal_says_in_one_line_what_to_do(filled: Home, sql: str, said: str) -> None:
    assert said in refusal(filled, sql)


def test_a_platform_without_a_catalogue_says_how_to_begin(home: Home) -> None:
    assert "srft ingest PATH" in refusal(home, "SELECT 1")


def test_the_database_itself_is_read_only(filled: Home) -> None:
    """Not only the statements: the connection cannot write either."""
    with open_readonly(filled) as connection:
        with pytest.raises(duckdb.Error, match="read-only"):
            connection.execute("CREATE TABLE t (a INTEGER)")
        with pytest.raises(duckdb.Error, match="locked"):
            connection.execute("SET enable_external_access = true")


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
from srft_assets.warehouse.literal import text_literal
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


def test_a_damaged_partition_is_told_in_one_line(empty: Home) -> None:
    folder = empty.warehouse / "trajectories"
    trajectories("lab").write_parquet(folder / "lab.parquet")
    whole = (folder / "lab.parquet").read_bytes()
    (folder / "lab.parquet").write_bytes(whole[: len(whole) // 2])
    assert "lab.parquet" in refusal(empty, "FROM trajectories")
