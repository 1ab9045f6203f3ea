"""`srft lab reproduce`: the experiment, from nothing to its report."""

import os
import shlex
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from srft_assets.cli.console import say
from srft_assets.cli.platform import end, refresh_catalogue, tell_failed
from srft_assets.cli.progress import Bars
from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.locks import exclusive

if TYPE_CHECKING:
    from srft_assets.experiment.design import Form
    from srft_assets.lab.regime import Regime

lab = typer.Typer(help="The experiment on generated tasks.", no_args_is_help=True)


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
) -> None:
    """Train and play every arm of the experiment; write report.md, plots and scores.

    The same command goes on where it was stopped.
    """
    from srft_assets.experiment.design import FULL, QUICK
    from srft_assets.lab.regime import REGIME

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
        from srft_assets.experiment.design import BATCH
        from srft_assets.experiment.reproduce import project_of, reproduce

    with open_instance(home) as instance, Bars(console) as bars:

        def apply(wanted: Sequence[str], seeds: Sequence[str]) -> Mapping[str, Sequence[str]]:
            platform = Applier(project(project_of(home)), home, instance, bars)
            outcome = platform.apply(wanted, [BATCH], seeds)
            tell_failed(console, outcome)
            end(outcome)
            return outcome.made

        report = reproduce(home, form, regime, command, apply)
    refresh_catalogue(home)
    say(console, f"{time.monotonic() - began:.0f} s. {report}")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.add_typer(lab, name="lab")
