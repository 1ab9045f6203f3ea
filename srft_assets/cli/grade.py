"""`srft grade`: who grades a batch, and what came out."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from srft_assets.cli.console import quoted, say
from srft_assets.cli.graded import print_graded
from srft_assets.cli.platform import applier, chosen_batches, end
from srft_assets.errors import UsageError
from srft_assets.home import Home, current_home
from srft_assets.plugins import GRADERS, plugin

Network = Annotated[
    bool | None, typer.Option("--network/--no-network", help="Let the tests reach the network.")
]
SysAdmin = Annotated[
    bool | None, typer.Option("--sys-admin/--no-sys-admin", help="Give containers SYS_ADMIN.")
]
Modal = Annotated[bool | None, typer.Option("--modal/--docker", help="Where the harness runs.")]


def grade(
    batch: Annotated[str, typer.Argument(help="The batch whose runs are graded.")],
    grader: Annotated[
        str | None,
        typer.Option(
            help="swebench: its harness, in Docker; local: the sandbox (needs srft-sdists); "
            "reports: what was found beside the runs."
        ),
    ] = None,
    dataset: Annotated[
        str | None, typer.Option(help="SWE-bench rows: a file, a folder, or OWNER/NAME of the hub.")
    ] = None,
    split: Annotated[str | None, typer.Option(help="Split of the data set.")] = None,
    workers: Annotated[int | None, typer.Option(help="Instances graded at once.", min=1)] = None,
    timeout: Annotated[int | None, typer.Option(help="Seconds an instance.", min=1)] = None,
    attempts: Annotated[
        int | None, typer.Option(help="Tries where the machine fails.", min=1, max=10)
    ] = None,
    memory_gb: Annotated[
        float | None, typer.Option(help="Most memory of an instance.", min=0.1)
    ] = None,
    sources: Annotated[str | None, typer.Option(help="Local: folder of git mirrors.")] = None,
    network: Network = None,
    sys_admin: SysAdmin = None,
    modal: Modal = None,
) -> None:
    """Choose who grades a batch, and grade it. Options left out stay as they were.

    Named again, a batch is graded anew where the machine failed before.
    """
    if grader not in (None, "reports"):
        plugin(GRADERS, grader)
    console, home = Console(), current_home()
    chosen_batches(home, [batch])
    stated = {
        "grader": grader,
        "dataset": dataset,
        "split": split,
        "workers": workers,
        "timeout": timeout,
        "attempts": attempts,
        "memory_gb": memory_gb,
        "sources": sources,
        "network": network,
        "sys_admin": sys_admin,
        "modal": modal,
    }
    with applier(console) as platform:
        end(platform.apply(["trajectories"], [batch], []))
        known = _choose(home, batch, {name: v for name, v in stated.items() if v is not None})
        if known:
            say(console, quoted(known))
        end(platform.apply(["test_outcomes"], [batch], []))
    print_graded(console, home, batch)


def _choose(home: Home, batch: str, stated: dict[str, Any]) -> str:
    """Write the choice; says how many of the batch's instances the data set has."""
    from pydantic import ValidationError

    from srft_assets.outcomes.dataset import is_local
    from srft_assets.outcomes.grader_choice import (
        Grading,
        copy_dataset,
        deciding,
        read_grading,
        wanted_ids,
        wanted_tasks,
        write_grading,
    )
    from srft_assets.outcomes.stage import machine_failed

    before = read_grading(home, batch)
    try:
        grading = Grading.model_validate({**before.model_dump(), **stated})
    except ValidationError as error:
        wrong = error.errors()[0]
        option = "-".join(map(str, wrong["loc"])).replace("_", "-")
        raise UsageError(f"--{option}: {wrong['msg']}") from None
    told = ""
    if grading.grader != "reports":
        if not grading.dataset:
            raise UsageError(f"--grader {grading.grader} needs --dataset FILE_OR_ID")
        if is_local(grading.dataset):
            absolute = str(Path(grading.dataset).expanduser().resolve())
            grading = grading.model_copy(update={"dataset": absolute})
        elif "dataset" in stated or "split" in stated:
            copy_dataset(home, batch, grading)
        wanted = wanted_ids(home, batch)
        found = wanted_tasks(home, batch, grading)
        told = f"data set: {len(found)} of the batch's {len(wanted)} instances"
        if not found:
            raise UsageError(f"{told}, e.g. not {min(wanted, default='any')}: {grading.dataset}")
    if grading.sources and "sources" in stated:
        grading = grading.model_copy(update={"sources": _mirrors(grading.sources)})
    if deciding(grading) == deciding(before) and machine_failed(home, batch):
        grading = grading.model_copy(update={"asked_again": grading.asked_again + 1})
    write_grading(home, batch, grading)
    return told


def _mirrors(stated: str) -> str:
    folder = Path(stated).expanduser().resolve()
    if not folder.is_dir():
        raise UsageError(f"--sources {stated}: no such folder; it holds clones named OWNER__REPO")
    return str(folder)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(grade)
