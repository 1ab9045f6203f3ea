"""What the columns of an asset mean, from the comments in `sql/tables/`."""

import re
from functools import cache

from srft_assets.warehouse.statements import sql_files

COMMENT = re.compile(r"COMMENT ON (?:VIEW|COLUMN) ([\w.]+) IS '((?:[^']|'')*)';")

SHOWN_AS = {"set": "gold_set"}
"""Columns whose name is a word of SQL's own, and what the views call them."""


@cache
def comments() -> dict[str, str]:
    """Meaning by `table`, and by `table.column`."""
    return {
        name: text.replace("''", "'")
        for file in sql_files("tables")
        for name, text in COMMENT.findall(file.text)
    }


def meaning(table: str, column: str) -> str | None:
    """What a column means. One that is unnested into a table of its own means that table."""
    shown = SHOWN_AS.get(column, column)
    return comments().get(f"{table}.{shown}") or comments().get(column)
