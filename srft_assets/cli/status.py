"""`srft status`, on one screen, and `srft ls`: what there is."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console, RenderableType
from rich.table import Column
from rich.text import Text

from srft_assets.cli.console import quoted, say
from srft_assets.cli.platform import refresh_catalogue
from srft_assets.home import current_home
from srft_assets.tables import figures, table, whole, words

if TYPE_CHECKING:
    import polars as pl

    from srft_assets.instance import OpenRun
    from srft_assets.platform.overview import Overview, Stale

SHOWN = 6
"""Rows of each table; the others are counted."""
WHY_CHARS = 60
IN_TABLE = {"runs": ("trajectory_id", "batch", "n_steps", "status", "model")}
"""Columns that people are shown, where there are too many for a terminal."""
NOTHING = 3
"""What `srft ls` exits with where nothing matched."""
Listing = Literal["batches", "runs", "critics", "arms", "checkpoints", "exports"]


def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Show what there is, what is stale and why, what goes on, and the command that goes on."""
    from srft_assets.platform.overview import overview
    from srft_assets.platform.stages import load_stages

    home = current_home()
    stages = load_stages()
    refresh_catalogue(home)
    found = overview(home, stages)
    if as_json:
        from srft_assets.warehouse.output import json_text

        typer.echo(json_text({"home": str(home.root), **found.as_dict()}))
        return
    console = Console()
    say(console, f"[bold]{quoted(str(home.root))}[/]")
    for one in _screen(found):
        console.print(one)
        console.print()


def ls(
    what: Annotated[Listing, typer.Argument(help="What to list.")],
    where: Annotated[str, typer.Option(help="An SQL condition on the columns.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print the rows as JSON.")] = False,
) -> None:
    """List batches, runs, critics, arms, checkpoints or exports. Exits 3 where nothing matched."""
    from srft_assets.platform.overview import KINDS, listing
    from srft_assets.platform.stages import load_stages
    from srft_assets.warehouse.output import Rows, json_text

    home = current_home()
    stages = load_stages() if what in KINDS else {}
    refresh_catalogue(home)
    rows = listing(home, stages, what, where)
    if as_json:
        typer.echo(json_text({"rows": rows.to_dicts()}))
    elif rows.height:
        console, shown = Console(), rows.select(IN_TABLE.get(what, rows.columns))
        console.print(Rows(shown, more="--where chooses, --json has all"))
        if left := [name for name in rows.columns if name not in shown.columns]:
            say(console, f"[dim]more columns, for --where and --json: {', '.join(left)}[/]")
    if rows.is_empty():
        if not as_json:
            say(Console(stderr=True), f"no {what}{' match' if where else ' yet'}")
        raise typer.Exit(NOTHING)


def _screen(found: "Overview") -> Iterable[RenderableType]:
    """The parts of one screen."""
    if found.batches.height:
        yield _batches(found.batches)
    yield _critics(found.critics)
    yield from _arms(found.arms)
    if found.stale and found.batches.height:
        yield _stale(found.stale)
    if found.running:
        yield _running(found.running)
    if found.left:
        from srft_assets.critic.spending import in_words

        parts = (f"{name}: {in_words(units)}" for name, units in found.left.items())
        yield Text.assemble(("left to pay for ", "bold"), "; ".join(parts))
    if found.tainted:
        told = ", ".join(f"{count:,} {what}" for what, count in found.tainted.items())
        yield Text.assemble(("tainted runs ", "bold"), f"{told}: srft sql 'FROM leaks'")
    yield Text.assemble(("next ", "bold"), found.next)


def _count(value: int | None) -> str:
    return "·" if value is None else f"{value:,}"


def _percent(value: float | None) -> str:
    return "·" if value is None else f"{value:.0%}"


def _rest(columns: Sequence[Column], total: int, name: str) -> list[tuple[RenderableType, ...]]:
    """A last row that counts what is not shown."""
    if total <= SHOWN:
        return []
    more = Text(f"… {total - SHOWN} more: srft ls {name}", "dim")
    return [(more, *[""] * (len(columns) - 1))]


def _batches(rows: "pl.DataFrame") -> RenderableType:
    """All together first, then the largest."""
    counted = ("runs", "steps", "resolved", "failed", "unknown")
    columns = [whole("batch"), *figures(*counted), words("graded by")]
    lines = [
        (row["batch"], *(_count(row[name]) for name in counted), row["graded_by"] or "·")
        for row in rows.sort("runs", "batch", descending=[True, False], nulls_last=True)
        .head(SHOWN)
        .to_dicts()
    ]
    if rows.height > 1:
        sums = rows.select(counted).sum().row(0)
        lines.insert(0, (f"all {rows.height}", *map(_count, sums), ""))
    return table(columns, [*lines, *_rest(columns, rows.height, "batches")])


def _critics(rows: "pl.DataFrame") -> RenderableType:
    columns = [whole("critic"), whole("version"), *figures("runs", "labelled", "F1")]
    lines = [
        (
            row["critic"],
            (row["version"] or "·")[:12],
            _count(row["runs"]),
            _percent(row["labelled"] / row["steps"] if row["steps"] else None),
            "·" if row["f1"] is None else f"{row['f1']:.2f}",
        )
        for row in rows.head(SHOWN).to_dicts()
    ]
    return table(columns, [*lines, *_rest(columns, rows.height, "critics")])


def _arms(rows: "pl.DataFrame") -> Iterable[RenderableType]:
    """Those that hold anything; the others are counted only."""
    columns = [whole("arm"), *figures("rows", "trained", "checkpoints", "resolved", "95%")]
    empty = rows["rows"].is_null() & rows["rate"].is_null()
    used = rows.filter(~empty | (rows["checkpoints"] > 0))
    if used.is_empty():
        return
    lines: list[tuple[Any, ...]] = [
        (
            row["arm"],
            _count(row["rows"]),
            _percent(row["kept"]),
            _count(row["checkpoints"]),
            _percent(row["rate"]),
            "·" if row["low"] is None else f"{row['low']:.0%} to {row['high']:.0%}",
        )
        for row in used.head(SHOWN + 2).to_dicts()
    ]
    if left := rows.height - len(lines):
        lines.append((Text(f"… {left} more: srft ls arms", "dim"), *[""] * 5))
    yield table(columns, lines)


def _stale(stale: "Sequence[Stale]") -> RenderableType:
    """One line an asset: how many partitions, and why the first of them is."""
    lines: list[tuple[Any, ...]] = []
    first = [one for one in stale if not one.waits] or stale[:1]
    for one in first[:SHOWN]:
        counts = ", ".join(f"{count} {state}" for state, count in one.states.items())
        why = one.why if len(one.why) <= WHY_CHARS else one.why[: WHY_CHARS - 1] + "…"
        lines.append((one.asset, counts, " ".join(why.split())))
    if left := len(stale) - len(lines):
        lines.append((Text(f"… {left} more or behind these: srft plan", "dim"), "", ""))
    return table([whole("out of sync"), words("partitions"), words("why")], lines)


def _running(running: "Sequence[OpenRun]") -> RenderableType:
    now = datetime.now(UTC)
    lines = [
        (
            ", ".join(run.assets) or run.job,
            run.partition or "·",
            f"{run.status}, by {run.by}",
            f"{max(0, int((now - run.since).total_seconds())) // 60} min",
        )
        for run in running[:SHOWN]
    ]
    return table([words("under way"), whole("from"), words("state"), *figures("since")], lines)
