"""`srft demo` and `srft lab reproduce`: the whole chain, and the experiment, on generated tasks."""

import os
import shlex
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from srft_assets.cli.compare import compared, print_pairs
from srft_assets.cli.console import open_log, say, show
from srft_assets.cli.platform import (
    Platform,
    Unsafe,
    applier,
    end,
    print_outcome,
    refresh_catalogue,
    tell_failed,
)
from srft_assets.cli.progress import Quiet, progress
from srft_assets.errors import SrftError
from srft_assets.home import Home, current_home
from srft_assets.processes.locks import exclusive

if TYPE_CHECKING:
    from srft_assets.experiment import Regime
    from srft_assets.experiment.design import Form

DEMO_BATCH = "lab-demo"
BASELINE = "rft"
"""The arm that the others are compared with."""

lab = typer.Typer(help="The experiment on generated tasks.", no_args_is_help=True)


def demo(
    runs: Annotated[
        int | None, typer.Option(help="Teacher runs, one a generated task; 160.", min=1)
    ] = None,
    seeds: Annotated[int, typer.Option(help="Seeds of training.", min=1, max=10)] = 1,
    unsafe: Unsafe = False,
    quiet: Quiet = False,
) -> None:
    """Make everything on generated tasks: runs, outcomes, verdicts, tokens, models, scores."""
    from srft_assets.experiment import REGIME
    from srft_assets.seeds import add_seeds
    from srft_assets.trajectories.batches import LAB, write_batch

    console = Console()
    home = current_home()
    start = time.monotonic()
    write_batch(home, DEMO_BATCH, LAB, REGIME.batch_settings(runs))
    names = [str(seed) for seed in range(seeds)]
    add_seeds(home, names)
    with applier(console) as platform:
        wanted = _scores(platform)
        outcome = platform.apply(wanted, [DEMO_BATCH], names)
    print_outcome(console, outcome)
    end(outcome)
    _print_scores(console, home, BASELINE if f"eval_scores/{BASELINE}" in wanted else None)
    say(console, f"{time.monotonic() - start:.0f} s. All state is in {home.root}")
    say(console, "UI:  [bold]make dev[/], then http://localhost:3000")
    say(console, 'SQL: [bold].venv/bin/srft sql "FROM label_shares"[/], or .venv/bin/srft stats')


def _scores(platform: Platform) -> list[str]:
    return [
        key
        for key, stage in platform.stages.items()
        if key.startswith(("eval_scores/", "comparison")) and not stage.on_request
    ]


def _print_scores(console: Console, home: Home, against: str | None) -> None:
    from srft_assets.warehouse.output import Rows
    from srft_assets.warehouse.query import run_query

    show(console, Rows(run_query(home, "demo_scores")))
    console.print()
    print_pairs(console, compared(home, [], against, []))


@lab.callback()
def _group() -> None:
    """Keep `reproduce` a command of its own."""


@lab.command()
def reproduce(
    out: Annotated[
        Path, typer.Option(help="Folder of the report and of all state.", metavar="FOLDER")
    ] = Path("lab-report"),
    seeds: Annotated[
        int | None, typer.Option(help="Trainings of every arm; 5.", min=1, max=10)
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A few small cells, no finding.")] = False,
    quiet: Quiet = False,
) -> None:
    """Train and play every arm of the experiment; write report.md, plots and scores.

    The same command goes on where it was stopped.
    """
    from srft_assets.experiment import REGIME
    from srft_assets.experiment.design import FULL, QUICK

    form, regime = (QUICK, _for_trials(REGIME)) if quick else (FULL, REGIME)
    if seeds is not None:
        form = form.model_copy(update={"seeds": seeds})
    command = ["srft", "lab", "reproduce", "--out", out.name]
    command += ["--seeds", str(seeds)] if seeds is not None else []
    command += ["--quick"] if quick else []
    run(Console(), out, form, regime, shlex.join(command))


def _for_trials(regime: "Regime") -> "Regime":
    """Held-out tasks are for the full form alone."""
    return regime.model_copy(update={"held_out_seed": regime.development_seed})


def run(console: Console, out: Path, form: "Form", regime: "Regime", command: str) -> None:
    """Make the experiment's platform in `out`, its report included.

    Raises SrftError where another command is at work there.
    """
    home = Home(out.expanduser().resolve())
    with exclusive(home.root / ".reproduce.lock", wait=False) as alone:
        if not alone:
            raise SrftError(
                f"{home.root}: another srft lab reproduce is at work here; wait for it, or name "
                "another folder with --out"
            )
        _run(console, home, form, regime, command)


def _run(console: Console, home: Home, form: "Form", regime: "Regime", command: str) -> None:
    began = time.monotonic()
    os.environ["SRFT_HOME"] = str(home.root)
    with console.status("loading the platform"):
        from srft_assets.components.launch import Applier, open_instance
        from srft_assets.definitions import project
        from srft_assets.experiment.design import BATCH, project_of
        from srft_assets.experiment.report import reproduce

    open_log(home)
    with open_instance(home) as instance, progress(console) as told_to:

        def apply(wanted: Sequence[str], seeds: Sequence[str]) -> Mapping[str, Sequence[str]]:
            platform = Applier(project(project_of(home)), home, instance, told_to)
            outcome = platform.apply(wanted, [BATCH], seeds)
            tell_failed(console, outcome)
            end(outcome)
            return outcome.made

        report = reproduce(home, form, regime, command, apply)
    refresh_catalogue(home)
    say(console, f"{time.monotonic() - began:.0f} s. {report}")
