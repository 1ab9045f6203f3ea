"""Rows for people and for programs."""

import io
import json
import unicodedata

import polars as pl
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from srft_assets.text import json_escaped, visible
from srft_assets.warehouse.output import CELL_CHARS, RECORDS, TABLE_ROWS, Rows, as_csv, as_json

HOSTILE = "\x1b]0;owned\x07\x1b[31m[bold]red[/bold]\r\n\u202e\x9bend"
texts = st.text(st.characters(exclude_categories=["Cs"]))


def shown(rows: pl.DataFrame, width: int = 400) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(Rows(rows))
    return console.file.getvalue()  # type: ignore[attr-defined]


@given(texts)
def test_visible_text_holds_nothing_that_a_terminal_obeys(text: str) -> None:
    assert not any(unicodedata.category(char) == "Cc" for char in visible(text))
    assert len(visible(text).splitlines()) <= 1


def test_ordinary_text_stays() -> None:
    assert visible("naïve café 漢字 [bold]") == "naïve café 漢字 [bold]"


@given(texts)
def test_escaped_json_is_the_same_value(text: str) -> None:
    escaped = json_escaped(json.dumps(text, ensure_ascii=False))
    assert json.loads(escaped) == text


def test_hostile_cells_and_names_are_shown_and_not_obeyed() -> None:
    table = shown(pl.DataFrame({HOSTILE: [HOSTILE]}))
    assert not set("\x1b\x07\r\u202e\x9b") & set(table)
    assert "[bold]red[/bold]" in table and "␛[31m" in table


def test_long_cells_and_many_rows_are_cut_and_counted() -> None:
    rows = pl.DataFrame({"x": ["y" * 10_000] * (TABLE_ROWS + 5)})
    table = shown(rows)
    assert "5 more rows" in table
    assert max(map(len, table.splitlines())) < CELL_CHARS + 10


def test_rows_too_wide_for_the_terminal_are_shown_as_records() -> None:
    rows = pl.DataFrame({f"column_{n}": [f"value {n} {HOSTILE}"] * (RECORDS + 1) for n in range(9)})
    lines = shown(rows, width=80).splitlines()
    assert lines[0].strip() == "1"
    assert all(f"column_{n}" in line and f"value {n}" in line for n, line in enumerate(lines[1:10]))
    assert "1 more rows" in lines[-1]
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in shown(rows, width=80)


def test_the_same_rows_are_a_table_where_they_fit() -> None:
    rows = pl.DataFrame({f"column_{n}": [n] for n in range(9)})
    assert len(shown(rows, width=80).splitlines()) == 3
    assert len(shown(rows, width=40).splitlines()) == 10


def test_names_above_numbers_are_parted_only_where_there_is_no_room() -> None:
    rows = pl.DataFrame({"status": ["resolved whole"], "count_star()": [7]})
    assert shown(rows, width=40).splitlines()[0].split() == ["status", "count_star()"]
    assert shown(rows, width=24).splitlines()[0].split() == ["count_"]


def test_no_rows_are_told() -> None:
    assert "no rows" in shown(pl.DataFrame({"x": []}))
    wide = pl.DataFrame({f"column_{n}": [] for n in range(9)})
    told = " ".join(shown(wide, width=40).split())
    assert told == "no rows of " + ", ".join(wide.columns), "a header that does not fit was cut"


def test_csv_is_exact_in_a_file_and_visible_on_a_terminal() -> None:
    rows = pl.DataFrame({"a": [HOSTILE], "b": [[1, None]], "c": [{"d": "x,y"}]})
    back = pl.read_csv(io.StringIO(as_csv(rows)))
    assert back.row(0) == (HOSTILE, "[1,null]", '{"d":"x,y"}')
    assert not set("\x1b\x07\r\u202e\x9b") & set(as_csv(rows, terminal=True))


@given(st.lists(st.tuples(texts, st.none() | st.integers(-(2**63), 2**63 - 1), st.booleans())))
def test_json_is_exact(cells: list[tuple[str, int | None, bool]]) -> None:
    schema = {"a": pl.String, "b": pl.Int64, "c": pl.Boolean}
    rows = pl.DataFrame(cells, schema=schema, orient="row")
    assert json.loads(as_json(rows)) == rows.to_dicts()


def test_a_number_stays_a_number_in_json() -> None:
    rows = pl.DataFrame({"d": ["1.50", "3"]}).select(pl.col("d").cast(pl.Decimal(10, 2)))
    assert json.loads(as_json(rows)) == [{"d": 1.5}, {"d": 3}]
