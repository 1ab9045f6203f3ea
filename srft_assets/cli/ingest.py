"""`srft ingest`: recorded runs in."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from srft_assets.cli.console import quoted, say
from srft_assets.cli.platform import Jobs, applier, end, print_outcome
from srft_assets.cli.progress import Quiet, progress
from srft_assets.errors import INTERNAL, Refusal, excerpt_of
from srft_assets.home import Home, current_home
from srft_assets.text import some

if TYPE_CHECKING:
    from srft_assets.platform.planning import Outcome
    from srft_assets.trajectories.ingest import IngestPlan

NO_RUN = "not a run: "
"""Begins the reason of files that are none of a run's: `.md`, `.log`."""
VARYING = re.compile(r"'[^']*'|\d+|\S*[/.]\S+|run \S+")
"""What differs in reasons that are one: quoted names, numbers, paths, ids."""
SHOWN_REASONS = 20
WORDS = {
    "runs": "of runs",
    "report": "of reports",
    "predictions": "of predictions",
    "evidence": "beside reports",
    "refused": "refused",
}
"""What a count of files of each role is called, in the order shown."""


def ingest(
    paths: Annotated[list[str], typer.Argument(help="Files, folders, or hf://datasets/…")],
    batch: Annotated[
        str | None, typer.Option(help="Name of the batch; from the path if not given.")
    ] = None,
    format_: Annotated[
        str | None, typer.Option("--format", help="Reader to use instead of detecting it.")
    ] = None,
    batch_size: Annotated[int, typer.Option(help="Most runs in a batch.", min=1, max=500)] = 200,
    jobs: Jobs = None,
    quiet: Quiet = False,
) -> None:
    """Read recorded runs into batches, with the outcomes that lie beside them."""
    from srft_assets.trajectories.ingest import ingest as register_runs

    console = Console()
    home = current_home()
    with progress(console) as told_to:
        plan = register_runs(
            home,
            paths,
            batch=batch,
            format=format_,
            batch_size=batch_size,
            tell=lambda done, files: told_to.report("reading files", done, files),
        )
    _print_plan(console, plan)
    if not plan.batches:
        say(console, "no runs: no batch is made")
        raise typer.Exit(1)
    with applier(console) as platform:
        outcome = platform.apply(["test_outcomes"], list(plan.batches), [])
    outcome.made["trajectories"] = sorted({*plan.new, *outcome.made["trajectories"]})
    kept = outcome.kept["trajectories"]
    outcome.kept["trajectories"] = [name for name in kept if name not in plan.new]
    print_outcome(console, outcome)
    _print_refusals(console, _found_reading(home, plan))
    _print_runs(console, [name for name in plan.batches if not _failed(outcome, name)])
    end(outcome)


def _failed(outcome: "Outcome", batch: str) -> bool:
    return any(batch in failed for failed in outcome.failed.values())


def _print_plan(console: Console, plan: "IngestPlan") -> None:
    counts = {str(role): count for role, count in plan.roles.items()}
    roles = ", ".join(f"{counts[role]} {word}" for role, word in WORDS.items() if role in counts)
    say(console, f"files: {roles or 'none'}")
    if plan.removed:
        gone = some([excerpt_of(path) for path in plan.removed])
        say(console, f"gone since the last ingest: {quoted(gone)}")
    _print_refusals(console, plan.refusals)


def _print_refusals(console: Console, refusals: Sequence[Refusal]) -> None:
    internal = [one for one in refusals if one.reason.startswith(INTERNAL)]
    beside = [one for one in refusals if one.reason.startswith(NO_RUN)]
    others = [one for one in refusals if one not in internal and one not in beside]
    for refusal in internal:
        say(console, f"[red]fault of srft, please report it:[/] {quoted(refusal.line())}")
    if beside:
        kinds = Counter(one.reason.removeprefix(NO_RUN) for one in beside)
        told = ", ".join(f"{kind} ({count})" for kind, count in sorted(kinds.items()))
        say(console, f"not runs: {quoted(told)}")
    _say_groups(console, others)


def _say_groups(console: Console, refusals: Sequence[Refusal]) -> None:
    """A line for each reason, with how many there are of it and two of them."""
    groups: dict[str, list[Refusal]] = {}
    for refusal in refusals:
        groups.setdefault(VARYING.sub("…", refusal.reason), []).append(refusal)
    for first, *rest in list(groups.values())[:SHOWN_REASONS]:
        more = f" ({1 + len(rest)} of these; another: {rest[0].place()})" if rest else ""
        say(console, f"[yellow]refused[/] {quoted(first.line() + more)}")
    if len(groups) > SHOWN_REASONS:
        left = len(groups) - SHOWN_REASONS
        say(console, f"… and {left} more reasons: srft sql quarantine")


def _found_reading(home: Home, plan: "IngestPlan") -> list[Refusal]:
    """What was refused only when the runs were read, and so is not told yet."""
    from srft_assets.warehouse.partitions import Warehouse

    stamps = (Warehouse(home.warehouse).stamp("trajectories", name) for name in plan.batches)
    told = {refusal.line() for refusal in plan.refusals}
    refused = [refusal for stamp in stamps if stamp for refusal in stamp.refused]
    return [refusal for refusal in refused if refusal.line() not in told]


def _print_runs(console: Console, batches: list[str]) -> None:
    import polars as pl

    from srft_assets.warehouse.partitions import Warehouse

    warehouse = Warehouse(current_home().warehouse)
    for name in batches:
        runs = warehouse.read("trajectories", name)
        stamp = warehouse.stamp("trajectories", name)
        outcomes = warehouse.read("test_outcomes", name)
        counts = outcomes.group_by("status").agg(pl.len()).sort("status").rows()
        told = ", ".join(f"{count} {status}" for status, count in counts)
        refused = len(stamp.refused) if stamp else 0
        say(
            console,
            f"batch {name}: {runs.height} runs, {runs['n_steps'].sum()} steps; {told or 'no runs'}"
            + (f"; {refused} refused" if refused else ""),
        )
