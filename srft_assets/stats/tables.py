"""The tables of the page. Each is None where there is nothing to show."""

from collections.abc import Iterable

import polars as pl
from rich.table import Table
from rich.text import Text

from srft_assets.home import Home
from srft_assets.stats.cells import Bar, count, interval, percent, size
from srft_assets.warehouse.query import run_query
from srft_assets.warehouse.visible import visible

STATUS_STYLES = {"resolved": "green", "infra_error": "magenta", "unknown": "dim"}
BATCHES = 10
LABEL_STYLES = {"good": "green", "unnecessary": "yellow", "mistake": "red", "recover": "cyan"}


def _table(title: str, left: Iterable[str], right: Iterable[str]) -> Table:
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=None,
        pad_edge=False,
        padding=(0, 2, 0, 0),
    )
    for name in left:
        table.add_column(name, overflow="fold")
    for name in right:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _name(text: str | None, styles: dict[str, str] | None = None) -> Text:
    return Text(visible(text) if text else "·", style=(styles or {}).get(text or "", ""))


def asset_sizes(home: Home) -> Table | None:
    """Partitions, rows and bytes by asset."""
    rows = run_query(home, "asset_sizes")
    if rows.is_empty():
        return None
    table = _table("Partitions", ["asset"], ["partitions", "rows", "refused", "size", "last, UTC"])
    for row in rows.iter_rows(named=True):
        made = row["last_made"]
        table.add_row(
            _name(row["asset"]),
            count(row["partitions"]),
            count(row["rows"]),
            count(row["refused"]),
            size(row["bytes"]),
            made.strftime("%Y-%m-%d %H:%M") if made else "·",
        )
    return table


def quarantined(home: Home) -> Table | None:
    """The most frequent reasons why inputs were refused."""
    rows = run_query(home, "FROM quarantine_reasons LIMIT 5")
    if rows.is_empty():
        return None
    table = _table("Quarantine", ["asset", "reason", "example"], ["refused"])
    for row in rows.iter_rows(named=True):
        reason = _name(row["reason"])
        table.add_row(_name(row["asset"]), reason, _name(row["example"]), count(row["refusals"]))
    return table


def outcomes(home: Home) -> Table | None:
    """Runs by outcome: the largest batches, and all together."""
    rows = run_query(home, "outcomes")
    if rows.is_empty():
        return None
    totals = rows.group_by("status").agg(pl.sum("runs")).sort("runs", "status", descending=True)
    batches = rows.group_by("batch").agg(pl.sum("runs")).sort(-pl.col("runs"), "batch")["batch"]
    table = _table("Test outcomes", ["batch"], [])
    for status in totals["status"]:
        style = STATUS_STYLES.get(status, "red")
        table.add_column(Text(visible(status), style=style), justify="right", no_wrap=True)
    for batch in batches.head(BATCHES):
        runs = dict(rows.filter(batch=batch).select("status", "runs").iter_rows())
        table.add_row(_name(batch), *(count(runs.get(status)) for status in totals["status"]))
    if len(batches) > 1:
        all_runs = (count(runs) for runs in totals["runs"])
        table.add_row(Text(f"all {len(batches)} batches", style="bold"), *all_runs)
    return table


def label_shares(home: Home) -> Table | None:
    """Labels by critic."""
    rows = run_query(home, "label_shares")
    if rows.is_empty():
        return None
    table = _table("Labels", ["critic", "label", ""], ["steps", "share"])
    critic = None
    for row in rows.iter_rows(named=True):
        table.add_row(
            _name(row["critic"]) if row["critic"] != critic else "",
            _name(row["label"], LABEL_STYLES),
            Bar(row["share"], LABEL_STYLES.get(row["label"], "")),
            count(row["steps"]),
            percent(row["share"]),
        )
        critic = row["critic"]
    return table


def tokens_kept(home: Home) -> Table | None:
    """Trained, masked and context tokens by arm: its largest batches, and all together."""
    rows = run_query(home, "FROM tokens_kept_by_batch ORDER BY arm, tokens DESC, batch")
    if rows.is_empty():
        return None
    figures = ["runs", "refused", "trained", "masked", "context"]
    table = _table("Tokens", ["arm", "batch"], [*figures, "kept"])
    for arm in rows["arm"].unique(maintain_order=True):
        batches = rows.filter(arm=arm)
        shown = batches.head(BATCHES).rows(named=True)
        if batches.height > 1:
            total = {name: batches[name].sum() for name in figures}
            shown.append({**total, "batch": f"all {batches.height} batches"})
        for place, row in enumerate(shown):
            said = row["trained"] + row["masked"]
            table.add_row(
                _name(arm) if place == 0 else "",
                _name(row["batch"]),
                *(count(row[name]) for name in figures),
                percent(row["trained"] / said if said else None),
            )
    return table


def arm_scores(home: Home) -> Table | None:
    """Resolution rates of the arms, best last."""
    rows = run_query(home, "FROM arm_scores ORDER BY rate NULLS FIRST, arm")
    if rows.is_empty():
        return None
    table = _table(
        "Held-out tasks", ["arm", ""], ["resolved", "rate", "95%", "seeds", "infra errors"]
    )
    table.columns[0].no_wrap = True  # the bars give way, not the names
    for row in rows.iter_rows(named=True):
        table.add_row(
            _name(row["arm"]),
            Bar(row["rate"], "green"),
            f"{count(row['resolved_attempts'])} of {count(row['scored'])}",
            percent(row["rate"]),
            interval(row["rate_low"], row["rate_high"]),
            count(row["seeds"]),
            count(row["infra_errors"]),
        )
    return table
