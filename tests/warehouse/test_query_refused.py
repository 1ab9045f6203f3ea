"""What is no question, or reaches beyond the warehouse, is refused."""

import tempfile
from pathlib import Path

import duckdb
import polars as pl
import pytest

from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.warehouse.query import open_readonly, run_query
from tests.warehouse.filled_frames import trajectories

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
        "SELECT '\udcff'",
        "WITH a AS (COPY outcomes TO '{inside}/x.csv') FROM a",
        "WITH a AS (COPY (SELECT 1) TO '{inside}/trajectories/real.parquet') SELECT $$x$$;",
        "-- x\nWITH b AS (SELECT 1), a AS MATERIALIZED (COPY b TO '{inside}/x.csv') SELECT 1",
        "EXPLAIN ANALYZE WITH a AS (COPY outcomes TO '{inside}/x.csv') FROM a",
        "FROM json_execute_serialized_sql(json_serialize_sql("
        "$$WITH a AS (COPY outcomes TO '{inside}/x.csv') FROM a$$))",
        "FROM query($$FROM json_execute_serialized_sql(json_serialize_sql("
        "'WITH a AS (COPY outcomes TO ''{inside}/x.csv'') FROM a'))$$)",
        "UPDATE EXTENSIONS",
        "CONNECT 'x'",
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
        ("SELECT * FROM read_text('/etc/passwd')", "only the warehouse can be read"),
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


def test_a_damaged_partition_is_told_in_one_line(empty: Home) -> None:
    folder = empty.warehouse / "trajectories"
    trajectories("lab").write_parquet(folder / "lab.parquet")
    whole = (folder / "lab.parquet").read_bytes()
    (folder / "lab.parquet").write_bytes(whole[: len(whole) // 2])
    assert "lab.parquet" in refusal(empty, "FROM trajectories")


def test_a_question_spills_to_a_folder_of_its_own_and_reads_no_other(
    filled: Home, tmp_path: Path
) -> None:
    (one,) = run_query(
        filled,
        "SELECT current_setting('temp_directory') AS spill, "
        "current_setting('allowed_directories') AS allowed, "
        "current_setting('memory_limit') AS memory, "
        "current_setting('max_temp_directory_size') AS disk",
    ).rows(named=True)
    spill = Path(one["spill"])
    assert spill.parent == Path(tempfile.gettempdir())
    assert {Path(each) for each in one["allowed"]} == {filled.warehouse, spill}
    assert (one["memory"], one["disk"]) == ("1.5 GiB", "20.0 GiB")
    assert "only the warehouse can be read" in refusal(filled, f"FROM glob('{tmp_path}/*')")
    assert not spill.exists()
