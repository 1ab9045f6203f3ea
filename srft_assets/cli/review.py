"""`srft review`: steps out for people to label, and their labels in."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table

from srft_assets.cli.console import quoted, say
from srft_assets.cli.platform import chosen_batches
from srft_assets.errors import UsageError
from srft_assets.home import Home, current_home

if TYPE_CHECKING:
    from srft_assets.critic.gold.labels import Merged
    from srft_assets.refusal import Refusal

SUFFIX = {"jsonl": "jsonl", "csv": "csv", "label-studio": "json"}
SHOWN_REFUSALS = 20

review = typer.Typer(
    help="Steps out for people to label, their labels in; see docs/gold.md.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@review.command("export")
def export_queue(
    critic: Annotated[
        str | None, typer.Option(help="Sample evenly over this critic's labels.")
    ] = None,
    batch: Annotated[list[str] | None, typer.Option(help="Only these batches.")] = None,
    size: Annotated[int, typer.Option(help="Steps to label.", min=1)] = 200,
    floor: Annotated[
        int, typer.Option(help="Steps of every stratum at least; 0 samples in proportion.", min=0)
    ] = 5,
    seed: Annotated[int, typer.Option(help="Another seed chooses other steps.")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="File to write; review.jsonl and such if not given.")
    ] = None,
    format_: Annotated[Literal["jsonl", "csv", "label-studio"], typer.Option("--format")] = "jsonl",
    show_verdict: Annotated[
        bool, typer.Option("--show-verdict", help="Show the critic's label; it sways people.")
    ] = False,
) -> None:
    """Write a queue of steps, with context, for people to label."""
    from srft_assets.critic.gold.queue import Wanted, queue, write_queue
    from srft_assets.warehouse.store import Warehouse

    if show_verdict and critic is None:
        raise UsageError("--show-verdict needs --critic NAME")
    home = current_home()
    target = out or Path(f"review.{SUFFIX[format_]}")
    if target.exists():
        raise UsageError(f"{target} exists, perhaps with labels: choose another --out")
    made = _made_batches(home, chosen_batches(home, batch))
    wanted = Wanted(made, critic, size, floor, seed, show_verdict)
    rows = queue(Warehouse(home.warehouse), wanted)
    target.write_bytes(write_queue(rows, format_))
    runs = len({row["trajectory_id"] for row in rows})
    console = Console()
    say(console, f"wrote {len(rows)} steps of {runs} runs to {quoted(str(target))}")
    say(console, "label them good, unnecessary, mistake, recover or skip; then:")
    say(console, f"srft review import {quoted(str(target))} --set NAME --annotator WHO")


@review.command("import")
def import_labels(
    path: Annotated[Path, typer.Argument(help="The labelled file.")],
    name: Annotated[str, typer.Option("--set", help="Gold set to put the labels into.")],
    annotator: Annotated[
        str | None, typer.Option(help="Who labelled, where the file does not say.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--replace", help="Change labels that were given before.")
    ] = False,
) -> None:
    """Read labels back into a gold set. Doing it again changes nothing."""
    from srft_assets.critic.gold.answers import Import, import_answers
    from srft_assets.critic.gold.labels import check_set_name, take_over
    from srft_assets.critic.gold.stage import known_steps
    from srft_assets.warehouse.store import Warehouse

    home = current_home()
    check_set_name(name)
    take_over(home)
    if not path.is_file():
        raise UsageError(f"no file {path}")
    batches = _made_batches(home, chosen_batches(home, None))
    where = Import(home, name, known_steps(Warehouse(home.warehouse), batches), overwrite)
    merged = import_answers(path, where, annotator)
    _print_merged(name, merged)
    if not merged.added + merged.changed + merged.unchanged:
        raise typer.Exit(1)


@review.command("list")
def list_sets() -> None:
    """Show the gold sets there are."""
    from srft_assets.critic.gold.labels import overview

    sets = overview(current_home())
    console = Console()
    if sets.is_empty():
        say(console, "no gold sets yet: srft review export")
    else:
        table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
        for name in sets.columns:
            table.add_column(name, justify="left" if name == "set" else "right")
        for row in sets.iter_rows():
            table.add_row(*(quoted(str(cell)) for cell in row))
        console.print(table)


def _made_batches(home: Home, names: list[str]) -> list[str]:
    from srft_assets.warehouse.store import Warehouse

    there = set(Warehouse(home.warehouse).partitions("trajectories"))
    return [name for name in names if name in there]


def _print_merged(name: str, merged: "Merged") -> None:
    console = Console()
    _print_refused(console, merged.refused)
    say(
        console,
        f"set {name}: {merged.added} labels added, {merged.changed} changed, "
        f"{merged.unchanged} as before, {len(merged.refused)} refused",
    )


def _print_refused(console: Console, refused: "list[Refusal] | tuple[Refusal, ...]") -> None:
    for refusal in refused[:SHOWN_REFUSALS]:
        say(console, f"[yellow]refused[/] {quoted(refusal.line())}")
    if len(refused) > SHOWN_REFUSALS:
        say(console, f"… and {len(refused) - SHOWN_REFUSALS} more")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(review, name="review")
