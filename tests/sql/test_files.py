"""Every SQL file runs, on an empty and on a filled warehouse, and everything is documented."""

import re
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from srft_assets.home import Home
from srft_assets.warehouse.query import open_readonly, run_query
from srft_assets.warehouse.sql import SqlFile, sql_files, sql_folder
from tools.schema_doc import leading_comment, schema_markdown

VIEWS = sql_files("tables", "views")
QUERIES = sql_files("queries")
CHECKS = sql_files("checks")
PARAMETERS = {
    "critic": "rules",
    "arm": "srft",
    "masked": ["mistake"],
    "unlabeled": "unlabeled",
    "mask_resolved": False,
    "until_mistake": False,
    "as_many_as": ["mistake"],
}


def _named(file: SqlFile) -> str:
    return f"{file.kind}/{file.name}"


@pytest.fixture(scope="module")
def on_empty(empty_once: Home) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_readonly(empty_once) as connection:
        yield connection


@pytest.fixture(scope="module")
def on_filled(filled: Home) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_readonly(filled) as connection:
        yield connection


@pytest.mark.parametrize("file", VIEWS, ids=_named)
def test_a_table_or_view_is_there_before_any_run(
    on_empty: duckdb.DuckDBPyConnection,
    on_filled: duckdb.DuckDBPyConnection,
    file: SqlFile,
) -> None:
    nothing, something = (c.sql(f"FROM {file.name}") for c in (on_empty, on_filled))
    assert (nothing.columns, nothing.types) == (something.columns, something.types)
    assert len(nothing) == 0
    assert len(something) > 0 or file.kind == "views"


@pytest.mark.parametrize("file", QUERIES, ids=_named)
def test_a_named_query_runs(
    on_empty: duckdb.DuckDBPyConnection,
    on_filled: duckdb.DuckDBPyConnection,
    file: SqlFile,
) -> None:
    nothing, something = (c.sql(file.text) for c in (on_empty, on_filled))
    assert nothing.columns == something.columns
    assert len(nothing) == 0


@pytest.mark.parametrize("file", CHECKS, ids=_named)
def test_a_check_finds_nothing_wrong(filled: Home, empty_once: Home, file: SqlFile) -> None:
    wanted = {name: PARAMETERS[name] for name in re.findall(r"\$(\w+)", file.text)}
    for home in (filled, empty_once):
        assert run_query(home, file.text, wanted).is_empty()


@pytest.mark.parametrize("file", QUERIES, ids=_named)
def test_a_named_query_says_what_it_answers(file: SqlFile) -> None:
    title, answers = leading_comment(file.text).split("\n")[:2]
    assert title.endswith(".") and answers.endswith("?")


def test_every_table_view_and_column_is_documented(filled: Home) -> None:
    with open_readonly(filled) as connection:
        assert undocumented(connection) == []


def test_the_documentation_test_sees_what_is_missing() -> None:
    with duckdb.connect() as connection:
        connection.execute("CREATE VIEW v AS SELECT 1 AS a, 2 AS b")
        connection.execute("COMMENT ON COLUMN v.a IS 'first'")
        connection.execute("CREATE MACRO m() AS 1")
        assert undocumented(connection) == ["m()", "v", "v.b"]


def undocumented(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Names of views, columns and macros without a comment."""
    found = connection.execute("""
        SELECT view_name FROM duckdb_views() WHERE NOT internal AND comment IS NULL
        UNION ALL
        SELECT table_name || '.' || column_name FROM duckdb_columns()
        WHERE NOT internal AND comment IS NULL
        UNION ALL
        SELECT function_name || '()' FROM duckdb_functions() WHERE NOT internal AND comment IS NULL
    """)
    return sorted(name for (name,) in found.fetchall())


def test_a_file_holds_what_its_name_says(filled: Home) -> None:
    with open_readonly(filled) as connection:
        found = connection.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal")
        assert sorted(name for (name,) in found.fetchall()) == sorted(f.name for f in VIEWS)


def test_the_names_the_platform_promises_are_there() -> None:
    assert {file.name for file in VIEWS} >= {
        *("trajectories", "steps", "test_outcomes", "leaks", "step_verdicts"),
        "masked_tokens",
        *("checkpoints", "eval_scores", "quarantine", "partitions", "label_shares"),
    }
    assert "demo_scores" in {file.name for file in QUERIES}


def test_the_schema_document_is_up_to_date() -> None:
    document = Path(sql_folder()).parent / "docs" / "schema.md"
    assert document.read_text() == schema_markdown(), "run: python -m tools.schema_doc"


def test_every_column_can_be_asked_for_without_quotes(empty_once: Home) -> None:
    with open_readonly(empty_once) as connection:
        for file in VIEWS:
            columns = connection.sql(f"FROM {file.name}").columns
            connection.sql(f"SELECT {', '.join(columns)} FROM {file.name}").fetchall()
