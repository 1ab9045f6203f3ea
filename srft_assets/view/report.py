"""A report as one HTML file to send to others: nothing is loaded from anywhere, no script runs."""

import base64
import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
from jinja2 import Environment
from markupsafe import Markup

from srft_assets import __version__
from srft_assets.compare.stage import TextTable, arm_table, legend_of, pair_table, verdict_of
from srft_assets.errors import UsageError
from srft_assets.home import Home
from srft_assets.view.charts import Bar, bars, lines, stacked
from srft_assets.view.index import WORDS, page_sql
from srft_assets.view.markup import command, shown, word
from srft_assets.warehouse.query import run_query

STATIC = Path(__file__).parent / "static"
CHARS = 1_500
"""Of the command of an example."""


def report(
    home: Home, templates: Environment, batches: Sequence[str], arms: Sequence[str], asked: str
) -> str:
    """The file's text. `asked`: the command that made it. Raises UsageError where there is nothing
    to tell, and as `compare_arms` for an arm without scores."""
    if not batches:
        raise UsageError("no batch has runs yet: srft ingest PATH, or srft demo")
    style = (STATIC / "view.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    labels, rates, scores = (
        _rows(home, name, batches) for name in ("report_labels", "report_rates", "report_scores")
    )
    return templates.get_template("report.html").render(
        style=Markup(style),  # our own file, whose digest the policy names
        digest=digest,
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        version=__version__,
        asked=asked,
        batches=batches,
        outcomes=_table(_rows(home, "report_outcomes", batches)),
        rates=_bars(rates, "played_by", "rate"),
        rate_table=_table(rates),
        labels=_stacked(labels),
        label_table=_table(labels),
        scores=_bars(scores.with_columns(name=pl.col("critic") + " on " + pl.col("gold_set")),
                     "name", "f1"),
        score_table=_table(scores),
        examples=[_example(row) for row in _rows(home, "report_examples", batches).to_dicts()],
        arms=_arms(home, arms),
        losses=_losses(home, arms),
        costs=_table(_rows(home, "report_costs", batches)),
        partitions=_table(_rows(home, "report_partitions", batches)),
    )  # fmt: skip


def _rows(home: Home, name: str, batches: Sequence[str]) -> pl.DataFrame:
    text = page_sql(name)
    return run_query(home, text, {"batches": list(batches)} if "$batches" in text else None)


def _table(rows: pl.DataFrame) -> dict[str, Any]:
    """Heads and cells of a table, all as text."""
    return {
        "heads": [name.replace("_", " ") for name in rows.columns],
        "rows": [[_cell(value) for value in row] for row in rows.rows()],
    }


def _cell(value: Any) -> Markup:
    if value is None:
        return word("–")
    if isinstance(value, float):
        return word(f"{value:.3f}")
    return word(f"{value:,}" if isinstance(value, int) else value)


def _bars(rows: pl.DataFrame, name: str, value: str) -> Markup:
    found = rows.drop_nulls(value).to_dicts()
    drawn = [Bar(row[name], row[value], row[f"{value}_low"], row[f"{value}_high"]) for row in found]
    return bars(drawn, share=True) if drawn else Markup("")


def _stacked(rows: pl.DataFrame) -> Markup:
    found: dict[str, dict[str, float]] = {}
    for row in rows.to_dicts():
        found.setdefault(row["critic"], {})[row["label"]] = row["share"]
    return stacked(found, list(WORDS.values())) if found else Markup("")


def _example(row: dict[str, Any]) -> dict[str, Any]:
    given = row["command"] or ""
    return {
        "critic": word(row["critic"]),
        "label": row["label"],
        "place": word(f"{row['trajectory_id']}, step {row['step_index']}"),
        "command": command(given) if len(given) <= CHARS else shown(given, CHARS),
        "reason": shown(row["reason"] or "", CHARS),
    }


def _arms(home: Home, arms: Sequence[str]) -> dict[str, Any] | None:
    """Rates and paired tests as `srft compare` tells them; None where no arm has scores."""
    from srft_assets.compare import compare_arms
    from srft_assets.compare.arms import with_settings
    from srft_assets.warehouse.partitions import Warehouse

    scores = run_query(home, "scored_attempts")
    if scores["resolved"].null_count() == scores.height:
        if arms:
            raise UsageError("no arm has scores yet: srft apply --arm NAME")
        return None
    found = compare_arms(with_settings(scores, Warehouse(home.warehouse)), list(arms))
    rates = found.arms.rename({"low": "rate_low", "high": "rate_high"})
    return {
        "chart": _bars(rates, "arm", "rate"),
        "rates": _text_table(arm_table(found.arms)),
        "pairs": _text_table(pair_table(found.pairs)) if found.pairs.height else None,
        "legend": legend_of(found.pairs) if found.pairs.height else "",
        "notes": found.notes,
        "verdict": verdict_of(found.pairs),
    }


def _text_table(table: TextTable) -> dict[str, Any]:
    return {"heads": table.heads, "rows": [[word(cell) for cell in row] for row in table.rows]}


def _losses(home: Home, arms: Sequence[str]) -> Markup:
    curves: dict[str, list[tuple[float, float]]] = {}
    for row in run_query(home, "loss_curves").to_dicts():
        if not arms or row["arm"] in arms:
            name = f"{row['arm']}, seed {row['seed']}"
            curves.setdefault(name, []).append((float(row["step"]), float(row["loss"])))
    return lines(curves, share=False)
