"""How a queue is written: JSON Lines, CSV, or tasks of Label Studio."""

import csv
import io
import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import orjson

FORMULA = re.compile(r"'*[=+\-@\t\r]")
"""A cell that a spreadsheet would read as a formula, or that looks like one made harmless."""


class QueueFormat(StrEnum):
    """`jsonl` goes into Argilla, `label-studio` and `csv` into Label Studio."""

    JSONL = "jsonl"
    CSV = "csv"
    LABEL_STUDIO = "label-studio"


def write_queue(rows: Sequence[dict[str, Any]], how: QueueFormat) -> bytes:
    """The rows as a file."""
    if how is QueueFormat.JSONL:
        return b"".join(orjson.dumps(row) + b"\n" for row in rows)
    if how is QueueFormat.LABEL_STUDIO:
        tasks = [{"data": _without_answer(row)} for row in rows]
        return orjson.dumps(tasks, option=orjson.OPT_INDENT_2) + b"\n"
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]) if rows else [])
    writer.writeheader()
    writer.writerows({name: harmless(value) for name, value in row.items()} for row in rows)
    return text.getvalue().encode()


def _without_answer(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in ("label", "note")}


def harmless(value: object) -> object:
    """A cell that no spreadsheet computes: formulas get an apostrophe, `bare` takes it off."""
    return f"'{value}" if isinstance(value, str) and FORMULA.match(value) else value


def bare(cell: str) -> str:
    """The text that `harmless` was given."""
    return cell[1:] if cell.startswith("'") and FORMULA.match(cell) else cell
