"""`srft stats`: the warehouse on one page: what is there, outcomes, labels, tokens, scores."""

from dataclasses import dataclass

import polars as pl
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.filesize import decimal
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.tables import figures, table, whole, words
from srft_assets.warehouse.catalogue import Catalogue
from srft_assets.warehouse.query import run_query

NONE = "·"
WIDTH, LEAST = 20, 4


def count(value: int | None) -> str:
    """A whole number with separators; `·` for none."""
    return NONE if value is None else f"{value:,}"


def percent(value: float | None) -> str:
    """A share as a percentage; `·` for none."""
    return NONE if value is None else f"{value:.1%}"


def interval(low: float | None, high: float | None) -> str:
    """The two ends of an interval of shares."""
    return NONE if low is None or high is None else f"{low:.1%} – {high:.1%}"


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


STATUS_STYLES = {"resolved": "green", "infra_error": "magenta", "unknown": "dim"}
BATCHES = 10
LABEL_STYLES = {"good": "green", "unnecessary": "yellow", "mistake": "red", "recover": "cyan"}


def asset_sizes(home: Home) -> Table | None:
    """Partitions, rows and bytes by asset."""
    rows = run_query(home, "asset_sizes")
    if rows.is_empty():
        return None
    counted = ("partitions", "rows", "refused")
    lines = []
    for row in rows.iter_rows(named=True):
        counts = (count(row[name]) for name in counted)
        made = row["last_made"]
        when = made.strftime("%Y-%m-%d %H:%M") if made else NONE
        lines.append((row["asset"], *counts, decimal(row["bytes"]), when))
    columns = [words("asset"), *figures(*counted, "size", "last, UTC")]
    return table(columns, lines, "Partitions")


def quarantined(home: Home) -> Table | None:
    """The most frequent reasons why inputs were refused."""
    rows = run_query(home, "FROM quarantine_reasons LIMIT 5")
    if rows.is_empty():
        return None
    lines = [
        (row["asset"], row["reason"] or NONE, row["example"] or NONE, count(row["refusals"]))
        for row in rows.iter_rows(named=True)
    ]
    return table(
        [*map(words, ("asset", "reason", "example")), *figures("refused")], lines, "Quarantine"
    )


def outcomes(home: Home) -> Table | None:
    """Runs by outcome: the largest batches, and all together."""
    rows = run_query(home, "outcomes")
    if rows.is_empty():
        return None
    totals = rows.group_by("status").agg(pl.sum("runs")).sort("runs", "status", descending=True)
    batches = rows.group_by("batch").agg(pl.sum("runs")).sort(-pl.col("runs"), "batch")["batch"]
    heads = figures(*totals["status"])
    for head, status in zip(heads, totals["status"], strict=True):
        head.header_style = STATUS_STYLES.get(status, "red")
    lines = []
    for batch in batches.head(BATCHES):
        runs = dict(rows.filter(batch=batch).select("status", "runs").iter_rows())
        lines.append((batch, *(count(runs.get(status)) for status in totals["status"])))
    if len(batches) > 1:
        whole_line = Text(f"all {len(batches)} batches", style="bold")
        lines.append((whole_line, *map(count, totals["runs"])))
    return table([words("batch"), *heads], lines, "Test outcomes")


def label_shares(home: Home) -> Table | None:
    """Labels by critic, and the steps that it was never asked about, which are in no share."""
    rows = run_query(home, "label_shares")
    if rows.is_empty():
        return None
    asked = "SELECT critic, never_asked_steps FROM critic_coverage"
    never_asked = dict(run_query(home, asked).iter_rows())
    lines: list[tuple[RenderableType, ...]] = []
    for (critic,), own in rows.group_by("critic", maintain_order=True):
        for place, row in enumerate(own.iter_rows(named=True)):
            style = LABEL_STYLES.get(row["label"], "")
            share, steps = row["share"], count(row["steps"])
            name = "" if place else critic
            lines.append(
                (name, Text(row["label"], style), Bar(share, style), steps, percent(share))
            )
        if steps := never_asked.get(critic, 0):
            lines.append(("", Text("never asked", "dim"), "", count(steps), "·"))
    return table(
        [*map(words, ("critic", "label", "")), *figures("steps", "share")], lines, "Labels"
    )


def tokens_kept(home: Home) -> Table | None:
    """Trained, masked and context tokens by arm: its largest batches, and all together."""
    rows = run_query(home, "FROM tokens_kept_by_batch ORDER BY arm, tokens DESC, batch")
    if rows.is_empty():
        return None
    names = ["runs", "refused", "trained", "masked", "context"]
    lines = []
    for arm in rows["arm"].unique(maintain_order=True):
        batches = rows.filter(arm=arm)
        shown = batches.head(BATCHES).rows(named=True)
        if batches.height > 1:
            total = {name: batches[name].sum() for name in names}
            shown.append({**total, "batch": f"all {batches.height} batches"})
        for place, row in enumerate(shown):
            said = row["trained"] + row["masked"]
            share = percent(row["trained"] / said if said else None)
            counts = (count(row[name]) for name in names)
            lines.append((arm if place == 0 else "", row["batch"], *counts, share))
    return table([words("arm"), words("batch"), *figures(*names, "kept")], lines, "Tokens")


def arm_scores(home: Home) -> Table | None:
    """Resolution rates of the arms, best last."""
    rows = run_query(home, "FROM arm_scores ORDER BY rate NULLS FIRST, arm")
    if rows.is_empty():
        return None
    names = ("resolved", "rate", "95%", "seeds", "infra errors")
    lines = [
        (
            row["arm"],
            Bar(row["rate"], "green"),
            f"{count(row['resolved_attempts'])} of {count(row['scored'])}",
            percent(row["rate"]),
            interval(row["rate_low"], row["rate_high"]),
            count(row["seeds"]),
            count(row["infra_errors"]),
        )
        for row in rows.iter_rows(named=True)
    ]
    heads = [whole("arm"), words(""), *figures(*names)]  # the bars give way, not the names
    return table(heads, lines, "Held-out tasks")


NOTHING = "nothing yet: srft ingest PATH, or srft demo"
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
