"""What the columns of an asset mean, from the comments in `sql/tables/`."""

import re
from functools import cache

from srft_assets.warehouse.statements import sql_files

COMMENT = re.compile(r"COMMENT ON (?:VIEW|COLUMN) ([\w.]+) IS '((?:[^']|'')*)';")

SHOWN_AS = {
    "set": "gold_set",
    "step_messages": "steps.message_index",
    "step_thoughts": "steps.thought",
    "step_actions": "steps.actions",
    "step_observations": "steps.observations",
    "step_return_codes": "steps.return_codes",
}
"""Columns that the views show under another name, or as a table of their own."""


@cache
def comments() -> dict[str, str]:
    """Meaning by `table`, and by `table.column`."""
    return {
        name: text.replace("''", "'")
        for file in sql_files("tables")
        for name, text in COMMENT.findall(file.text)
    }


def meaning(table: str, column: str) -> str | None:
    """What a column means, as the view of the table or the table made of it says."""
    shown = SHOWN_AS.get(column, column)
    return comments().get(f"{table}.{shown}") or comments().get(shown)
