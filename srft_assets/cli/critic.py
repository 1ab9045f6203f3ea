"""`srft critic`: versions side by side; `srft review`: steps out for people to label, and in."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.text import Text

from srft_assets.cli.console import quoted, say, say_refused
from srft_assets.cli.platform import chosen_batches, refresh_catalogue
from srft_assets.cli.sql import Format, print_rows
from srft_assets.errors import UsageError
from srft_assets.home import Home, current_home

if TYPE_CHECKING:
    import polars as pl

critic = typer.Typer(help="Compare critics and their versions; see what they are shown.")
review = typer.Typer(
    help="Steps out for people to label, their labels in; see docs/gold.md.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

SUFFIX = {"jsonl": "jsonl", "csv": "csv", "label-studio": "json"}
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
    from srft_assets.platform.overview import names_of
    from srft_assets.platform.stages import load_stages
    from srft_assets.warehouse.query import run_query

    home = current_home()
    refresh_catalogue(home)
    rows = run_query(home, "critic_history")
    if name is not None:
        rows = rows.filter(critic=name)
        if rows.is_empty() and name not in (known := names_of(load_stages(), "critics")):
            raise UsageError(f"no critic {name!r}; there are: {', '.join(known)}")
    print_rows(rows, format_)


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
        say(console, f"  {count:>5}  {label_of(old)} → {label_of(new)}")
    print_steps(console, changes.head(limit))
    if changes.height > limit:
        say(console, f"… and {changes.height - limit} more: --limit, or --format csv")


@critic.command()
def prompt(
    name: Annotated[str, typer.Argument(help="A critic that asks a model.")],
    run: Annotated[str, typer.Argument(help="A trajectory id, or its unique beginning.")],
) -> None:
    """Print the messages that the critic sends about a run, as the model gets them."""
    from srft_assets.platform.stages import load_stages
    from srft_assets.show.find import find_place

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


@critic.command()
def batches(
    forget: Annotated[
        str | None, typer.Option(help="Give this one up: its calls are asked and paid for anew.")
    ] = None,
    format_: Annotated[Format, typer.Option("--format", help="How to print.")] = Format.TABLE,
) -> None:
    """List the batches of critics that are under way at a provider."""
    import polars as pl

    from srft_assets.critic.jobs import Jobs

    jobs = Jobs(current_home())
    if forget is not None:
        calls = jobs.give_up(forget)
        say(Console(stderr=True), f"gave up {forget}: its {calls:,} calls are asked anew")
    rows = [
        (job.id, job.critic, job.batch, calls, str(job.state), job.remote, job.at, job.url)
        for job, calls in jobs.under_way()
    ]
    names = ("id", "critic", "batch", "calls", "state", "name", "since", "url")
    print_rows(
        pl.DataFrame(rows, dict.fromkeys(names, pl.String) | {"calls": pl.Int64}, orient="row"),
        format_,
    )


def label_of(label: str) -> str:
    """A label in its colour."""
    return f"[{STYLE[label]}]{label}[/]"


def print_steps(console: Console, changes: "pl.DataFrame") -> None:
    """Steps with both labels and their reasons."""
    for row in changes.iter_rows(named=True):
        say(console, f"\n{row['trajectory_id']} step {row['step_index']}")
        for side in ("a", "b"):
            say(console, f"  {label_of(row[f'label_{side}'])}: {quoted(row[f'reason_{side}'])}")


@review.command("export")
def export_queue(
    critic: Annotated[
        str | None, typer.Option(help="Sample evenly over this critic's labels.")
    ] = None,
    against: Annotated[
        str | None, typer.Option(help="Steps first on which this critic differs.")
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
    from srft_assets.critic.gold.queue import chosen_steps, queue, write_queue
    from srft_assets.warehouse.partitions import Warehouse

    if critic is None and (show_verdict or against):
        raise UsageError(f"--{'against' if against else 'show-verdict'} needs --critic NAME")
    home = current_home()
    target = out or Path(f"review.{SUFFIX[format_]}")
    if target.exists():
        raise UsageError(f"{target} exists, perhaps with labels: choose another --out")
    made = _made_batches(home, chosen_batches(home, batch))
    warehouse = Warehouse(home.warehouse)
    chosen = chosen_steps(warehouse, made, critic, size, floor, seed, against)
    rows = queue(warehouse, chosen, show_verdict)
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
    from srft_assets.critic.gold.annotations import import_answers
    from srft_assets.critic.gold.labels import check_set_name, known_steps, take_over
    from srft_assets.warehouse.partitions import Warehouse

    home = current_home()
    check_set_name(name)
    take_over(home)
    if not path.is_file():
        raise UsageError(f"no file {path}")
    batches = _made_batches(home, chosen_batches(home, None))
    steps = known_steps(Warehouse(home.warehouse), batches)
    merged = import_answers(path, home, name, steps, annotator, overwrite)
    console = Console()
    say_refused(console, merged.refused)
    say(
        console,
        f"set {name}: {merged.added} labels added, {merged.changed} changed, "
        f"{merged.unchanged} as before, {len(merged.refused)} refused",
    )
    if not merged.added + merged.changed + merged.unchanged:
        raise typer.Exit(1)


@review.command("list")
def list_sets() -> None:
    """Show the gold sets there are."""
    from srft_assets.critic.gold.labels import overview

    sets = overview(current_home())
    if sets.is_empty():
        say(Console(), "no gold sets yet: srft review export")
    else:
        print_rows(sets, Format.TABLE)


def _made_batches(home: Home, names: list[str]) -> list[str]:
    from srft_assets.warehouse.partitions import Warehouse

    there = set(Warehouse(home.warehouse).partitions("trajectories"))
    return [name for name in names if name in there]
