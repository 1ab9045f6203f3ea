"""`srft lab reproduce`: the experiment, from nothing to its report."""

import os
import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from srft_assets.cli.console import say
from srft_assets.cli.platform import applier, end
from srft_assets.cli.progress import Bars
from srft_assets.home import Home

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
    workers: Annotated[int, typer.Option(help="Processes of one thread.", min=1, max=64)] = 2,
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
    command += ["--workers", str(workers), *(["--quick"] if quick else [])]
    run(Console(), out, form, regime, workers, shlex.join(command))


def _for_trials(regime: "Regime") -> "Regime":
    """Held-out tasks are for the full form alone."""
    return regime.model_copy(update={"held_out_seed": regime.development_seed})


def run(
    console: Console, out: Path, form: "Form", regime: "Regime", workers: int, command: str
) -> None:
    """Make the platform's part in `out`, then the cells and the report."""
    from srft_assets.experiment.alone import alone
    from srft_assets.experiment.bench import Bench
    from srft_assets.experiment.data import Data
    from srft_assets.experiment.reproduce import reproduce as reproduced

    began = time.monotonic()
    home = Home(out.expanduser().resolve())
    os.environ["SRFT_HOME"] = str(home.root)
    with alone(home.root / "experiment"):
        _prepare(console, home, form, regime)
        with Bars(console) as bars:
            bench = Bench(Data(home), regime, form)
            report = reproduced(bench, home.root, workers, command, bars.report, began)
    say(console, f"{time.monotonic() - began:.0f} s. {report}")


def _prepare(console: Console, home: Home, form: "Form", regime: "Regime") -> None:
    """Runs, outcomes, verdicts, labels and the base model, through the platform's own assets."""
    from srft_assets.experiment.data import BATCH, NEEDED
    from srft_assets.trajectories.batches import write_lab_batch

    write_lab_batch(home, BATCH, regime.batch_settings(form.runs))
    with applier(console) as platform:
        end(platform.apply(NEEDED, [BATCH], []))


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.add_typer(lab, name="lab")
