"""What an asset's page shows: columns and where they come from, figures, a preview."""

import base64
import re
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from srft_assets.home import Home
from srft_assets.platform.schemas import SCHEMAS
from srft_assets.view import link
from srft_assets.warehouse.partitions import Stamp, Warehouse
from srft_assets.warehouse.sql import sql_files
from srft_assets.warehouse.stage import Listing, Made, Stage

PREVIEW_ROWS = 5
CELL_CHARS = 80
LISTED_CHARS = 400

SEEN = "srft view"
"""Metadata key: the partition's page, which opens while `srft view` runs."""
KEPT = "kept"
"""Metadata key: the partition was in sync, so that nothing was made."""

COMMENT = re.compile(r"COMMENT ON (?:VIEW|COLUMN) ([\w.]+) IS '((?:[^']|'')*)';")

SHOWN_AS = {
    "set": "gold_set",
    "step_messages": "steps.message_index",
    "step_thoughts": "steps.thought",
    "step_tools": "steps.actions",
    "step_commands": "steps.actions",
    "step_call_ids": "steps.actions",
    "step_words": "steps.command_word",
    "step_observations": "steps.observations",
    "step_return_codes": "steps.return_codes",
}
"""Columns that the views show under another name, or as a table of their own."""

SHOWN = (
    "step_thoughts",
    "step_tools",
    "step_commands",
    "step_observations",
    "step_return_codes",
)
"""What a critic sees of a step."""
DERIVED = {
    "label": (*SHOWN, "status"),
    "reason": SHOWN,
    "rule": SHOWN,
    "step_index": ("step_messages",),
    "input_ids": ("messages", "tools"),
    "spans": ("step_messages", "label", "status"),
    "weights_sha256": ("input_ids", "spans"),
    "status": ("submission", "source_resolved"),
    "resolved": ("weights_sha256",),
}
"""Columns whose source bears another name."""


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


def table_schema(stage: Stage) -> dg.TableSchema:
    """Columns, types and meanings as Dagster shows them."""
    table = stage.key.split("/")[0]
    return dg.TableSchema(
        columns=[
            dg.TableColumn(name, type=str(kind), description=meaning(table, name))
            for name, kind in stage.schema.items()
        ]
    )


def column_lineage(stage: Stage) -> dg.TableColumnLineage:
    """A column comes from the upstream columns of its name, and from those in `DERIVED`."""
    lineage: dict[str, list[dg.TableColumnDep]] = {}
    for column in stage.schema:
        wanted = {column, *DERIVED.get(column, ())}
        deps = [
            dg.TableColumnDep(dg.AssetKey(edge.asset.split("/")), name)
            for edge in stage.upstream
            for name in SCHEMAS.get(edge.asset.split("/")[0], {})
            if name in wanted
        ]
        if deps:
            lineage[column] = deps
    return dg.TableColumnLineage(lineage)


def made_metadata(stage: Stage, made: Made, stamp: Stamp) -> dict[str, Any]:
    """Row count, the stage's own figures, refusals, a preview, data version and provenance."""
    figures = {name: _value(value) for name, value in made.metadata.items()}
    return {
        "dagster/row_count": stamp.rows,
        **figures,
        "refused": len(stamp.refused),
        **({"refusals": dg.MetadataValue.md(_refusals(stamp))} if stamp.refused else {}),
        "preview": dg.MetadataValue.md(preview(made.frame)),
        "data_version": stamp.data_version,
        "fingerprint": stamp.fingerprint,
        "provenance": dg.MetadataValue.json(
            {
                "code": dict(stamp.recipe.code),
                "config": dict(stamp.recipe.config),
                "inputs": dict(stamp.recipe.inputs),
            }
        ),
    }


def kept_metadata(stage: Stage, home: Home, name: str) -> dict[str, Any]:
    """What the page of a partition shows that was in sync."""
    stamp = Warehouse(home.warehouse).stamp(stage.key, name)
    told: dict[str, Any] = {KEPT: True}
    if stamp is not None:
        told |= {
            "dagster/row_count": stamp.rows,
            "data_version": stamp.data_version,
            "made_at": stamp.made_at,
            "made_by_run": stamp.run_id,
            **stamp.figures,  # else a chart over partitions would end here
        }
    return told


def page_metadata(stage: Stage, name: str) -> dict[str, Any]:
    """Where `srft view` shows the partition, if it has a page for it."""
    address = link(stage.key, name)
    return {SEEN: dg.MetadataValue.url(address)} if address else {}


def preview(frame: pl.DataFrame) -> str:
    """The first rows as a Markdown table; long and nested cells are cut, nothing is rendered."""
    return markdown_table(frame.columns, frame.head(PREVIEW_ROWS).rows())


def markdown_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], chars: int = CELL_CHARS
) -> str:
    """Rows as Markdown; cells are cut at `chars`, and nothing in them is rendered."""
    lines = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    lines += ["| " + " | ".join(_cell(value, chars) for value in row) + " |" for row in rows]
    return "\n".join(lines)


def printable(text: str) -> str:
    """The text in one line, with a space for each control character."""
    return "".join(char if char.isprintable() else " " for char in text)


def _cell(value: object, chars: int = CELL_CHARS) -> str:
    text = printable("" if value is None else str(value)[: chars * 2])
    text = text if len(text) <= chars else text[: chars - 1] + "…"
    for char in "\\`*_[]|~#!":
        text = text.replace(char, "\\" + char)
    return text.replace("&", "&amp;").replace("<", "&lt;")


def _refusals(stamp: Stamp) -> str:
    lines = [f"- {_cell(refusal.line())}" for refusal in stamp.refused[:20]]
    if len(stamp.refused) > len(lines):
        lines.append(f"- … and {len(stamp.refused) - len(lines)} more: see the view `quarantine`")
    return "\n".join(lines)


def _value(value: Any) -> Any:
    if isinstance(value, Path) and value.suffix == ".png":
        image = base64.b64encode(value.read_bytes()).decode()
        return dg.MetadataValue.md(f"![figure](data:image/png;base64,{image})")
    if isinstance(value, Path):
        return dg.MetadataValue.path(str(value))
    if isinstance(value, Listing):
        return dg.MetadataValue.md(markdown_table(value.columns, value.rows, LISTED_CHARS))
    return value
