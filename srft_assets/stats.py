"""`srft stats`: the warehouse on one page: what is there, outcomes, labels, tokens, scores."""

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.warehouse.catalogue import Catalogue
from srft_assets.warehouse.query import run_query
from srft_assets.warehouse.visible import visible

WIDTH, LEAST = 20, 4
UNITS = ("B", "kB", "MB", "GB", "TB")


def count(value: int | None) -> str:
    """A whole number with separators; `·` for none."""
    return "·" if value is None else f"{value:,}"


def percent(value: float | None) -> str:
    """A share as a percentage; `·` for none."""
    return "·" if value is None else f"{value:.1%}"


def interval(low: float | None, high: float | None) -> str:
    """The two ends of an interval of shares."""
    return "·" if low is None or high is None else f"{low:.1%} – {high:.1%}"


@dataclass(frozen=True)
class Bar:
    """A share, 0 to 1 (None: 0), as a bar of `WIDTH` characters, fewer where there is no room."""

    value: float | None
    style: str

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(LEAST, WIDTH)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        eighths = round((self.value or 0.0) * min(WIDTH, options.max_width) * 8)
        part = " ▏▎▍▌▋▊▉"[eighths % 8].strip()
        yield Text("█" * (eighths // 8) + part, style=self.style)


def size(value: int) -> str:
    """Bytes in decimal units."""
    number, unit = float(value), 0
    while number >= 1000 and unit < len(UNITS) - 1:
        number, unit = number / 1000, unit + 1
    return f"{number:.0f} {UNITS[unit]}" if unit == 0 else f"{number:.1f} {UNITS[unit]}"


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


NOTHING = "nothing yet: srft ingest PATH, or make demo"
SECTIONS = (asset_sizes, quarantined, outcomes, label_shares, tokens_kept, arm_scores)


def stats(home: Home) -> RenderableType:
    """Partitions, refusals, outcomes, label shares, tokens kept and scores, where there are any.

    Raises SrftError where the catalogue cannot be read.
    """
    if Catalogue(home).digest() is None:
        return Text(NOTHING)
    try:
        shown = [table for section in SECTIONS if (table := section(home)) is not None]
    except SrftError as error:
        raise SrftError(f"cannot read the warehouse: {error}") from None
    if not shown:
        return Text(NOTHING)
    more = run_query(home, "SELECT count(*) FROM duckdb_views() WHERE NOT internal").item()
    hint = Text(f'{more} tables and statistics: srft sql "SHOW TABLES"', style="dim")
    return Group(*(part for table in shown for part in (table, Text())), hint)
