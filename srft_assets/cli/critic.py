"""`srft critic`: versions of critics side by side, and what a critic is shown."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from srft_assets.cli.console import quoted, say
from srft_assets.cli.platform import refresh_catalogue
from srft_assets.cli.sql import Format, print_rows
from srft_assets.errors import UsageError
from srft_assets.home import current_home

if TYPE_CHECKING:
    import polars as pl


critic = typer.Typer(help="Compare critics and their versions; see what they are shown.")

STYLE = {
    "good": "green",
    "unnecessary": "yellow",
    "mistake": "red",
    "recover": "cyan",
    "unlabeled": "dim",
}


@critic.command()
def history(
    name: Annotated[str | None, typer.Argument(help="A critic; all if none.")] = None,
    format_: Annotated[Format, typer.Option("--format", help="How to print.")] = Format.TABLE,
) -> None:
    """List the versions of critics, oldest first, and how much each labelled."""
    from srft_assets.warehouse.query import run_query

    home = current_home()
    refresh_catalogue(home)
    rows = run_query(home, "critic_history")
    print_rows(rows if name is None else rows.filter(critic=name), format_)


@critic.command()
def diff(
    a: Annotated[str, typer.Argument(help="NAME, NAME@VERSION or NAME@previous.")],
    b: Annotated[str | None, typer.Argument(help="The same; the present version if none.")] = None,
    limit: Annotated[int, typer.Option(help="Most steps to show.", min=0)] = 20,
    format_: Annotated[Format, typer.Option("--format", help="How to print.")] = Format.TABLE,
) -> None:
    """Show which steps changed label between two critics or versions, with the reasons.

    `srft critic diff NAME` compares its previous version with the present one.
    """
    from srft_assets.critic.scores import PREVIOUS, find_version, label_changes, shared_steps

    home = current_home()
    refresh_catalogue(home)
    if b is None:
        a, b = (a if "@" in a else f"{a}@{PREVIOUS}"), a.partition("@")[0]
    first, second = find_version(home, a), find_version(home, b)
    changes = label_changes(home, first, second)
    if format_ is not Format.TABLE:
        print_rows(changes, format_)
        return
    console = Console()
    steps = shared_steps(home, first, second)
    say(console, f"{changes.height} of {steps} steps changed label, {first} → {second}")
    for old, new, count in changes.group_by("label_a", "label_b").len().sort("len").rows()[::-1]:
        say(console, f"  {count:>5}  {_label(old)} → {_label(new)}")
    _print_steps(console, changes.head(limit))
    if changes.height > limit:
        say(console, f"… and {changes.height - limit} more: --limit, or --format csv")


@critic.command()
def prompt(
    name: Annotated[str, typer.Argument(help="A critic that asks a model.")],
    run: Annotated[str, typer.Argument(help="A trajectory id, or its unique beginning.")],
) -> None:
    """Print the messages that the critic sends about a run, as the model gets them."""
    from srft_assets.show.find import find_place
    from srft_assets.stages import load_stages

    home = current_home()
    loaded = load_stages().items()
    stages = {key: stage for key, stage in loaded if stage.preview is not None}
    stage = stages.get(f"step_verdicts/{name}")
    if stage is None or stage.preview is None:
        known = ", ".join(sorted(key.rpartition("/")[2] for key in stages))
        raise UsageError(f"no critic {name!r} that asks a model; there are: {known}")
    place = find_place(home, run)
    console = Console()
    for role, text in stage.preview(home, place.partition, place.trajectory_id):
        console.rule(role, style="dim")
        console.print(Text(text), soft_wrap=True)


def _label(label: str) -> str:
    return f"[{STYLE[label]}]{label}[/]"


def _print_steps(console: Console, changes: "pl.DataFrame") -> None:
    for row in changes.iter_rows(named=True):
        say(console, f"\n{row['trajectory_id']} step {row['step_index']}")
        for side in ("a", "b"):
            say(console, f"  {_label(row[f'label_{side}'])}: {quoted(row[f'reason_{side}'])}")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(critic, name="critic")
