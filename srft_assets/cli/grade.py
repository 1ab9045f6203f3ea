"""`srft grade`: who grades a batch, and what came out."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from srft_assets.cli.console import quoted, say, show
from srft_assets.cli.platform import applier, chosen_batches, end
from srft_assets.cli.progress import Quiet
from srft_assets.errors import UsageError
from srft_assets.home import Home, current_home
from srft_assets.plugins import GRADERS, plugin
from srft_assets.tables import figures, table, words

if TYPE_CHECKING:
    import polars as pl

    from srft_assets.outcomes.grader_choice import Grading

APPROXIMATION = "≈"
SHOWN_RUNS = 10
STYLES = {"resolved": "green", "infra_error": "yellow", "unknown": "dim"}
MEANINGS = {
    "unresolved": "tests fail",
    "empty_patch": "nothing was submitted",
    "patch_failed": "the patch does not apply",
    "timeout": "the tests took too long",
    "infra_error": "the machine failed, not the model",
    "unknown": "not graded",
}

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
    quiet: Quiet = False,
) -> None:
    """Choose who grades a batch, and grade it. Options left out stay as they were.

    Named again, a batch is graded anew where the machine failed before.
    """
    if grader not in (None, "reports"):
        plugin(GRADERS, grader)
    console, home = Console(), current_home()
    batches = chosen_batches(home, [batch])
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
        for one in batches:
            end(platform.apply(["trajectories"], [one], []))
            known = _choose(home, one, {name: v for name, v in stated.items() if v is not None})
            if known:
                say(console, quoted(known))
            end(platform.apply(["test_outcomes"], [one], []))
    for one in batches:
        print_graded(console, home, one)


def _choose(home: Home, batch: str, stated: dict[str, Any]) -> str:
    """Write the choice; says how many of the batch's instances the data set has."""
    from pydantic import ValidationError

    from srft_assets.outcomes.grader_choice import (
        Grading,
        check_grader,
        copy_dataset,
        deciding,
        read_grading,
        wanted_ids,
        wanted_tasks,
        write_grading,
    )
    from srft_assets.outcomes.stage import machine_failed
    from srft_assets.outcomes.task import is_local

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
        if stated or machine_failed(home, batch):
            check_grader(grading, found)
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


def print_graded(console: Console, home: Home, batch: str) -> None:
    """Statuses with their shares, what was tried again, where the machine failed, the logs."""
    from srft_assets.outcomes.grader_choice import read_grading
    from srft_assets.outcomes.status import is_approximate
    from srft_assets.warehouse.partitions import Warehouse

    rows = Warehouse(home.warehouse).read("test_outcomes", batch)
    grading = read_grading(home, batch)
    say(console, f"batch {batch}: {_graded_by(rows, grading)}")
    if rows.is_empty():
        return
    console.print()
    marked = frozenset(filter(is_approximate, rows["grader"].unique()))
    show(console, _statuses(rows, marked))
    _print_again(console, rows)
    _print_failed(console, rows, batch)
    if marked:
        say(console, f"\n{APPROXIMATION} approximation: graded without SWE-bench's own environment")
    logs = rows["log"].drop_nulls()
    if grading.grader == "swebench" and len(logs):
        say(
            console,
            f'\nlogs: srft sql "SELECT trajectory_id, status, log FROM test_outcomes '
            f"WHERE batch = '{batch}'\"",
        )


def _graded_by(rows: "pl.DataFrame", grading: "Grading") -> str:
    runs = f"{rows.height:,} {'run' if rows.height == 1 else 'runs'}"
    if grading.grader == "reports":
        return f"{runs}, by the reports found beside them"
    where = "on Modal" if grading.modal else "in Docker"
    how = f"swebench {where}" if grading.grader == "swebench" else "the local sandbox"
    network = "with" if grading.network or grading.modal else "without"
    return f"{runs}, graded by {how}, {network} network"


def _statuses(rows: "pl.DataFrame", approximate: frozenset[str]) -> Table:
    lines = []
    counts = rows.group_by("status", "grader").len().sort("len", "status", descending=[True, False])
    for status, grader, count in counts.iter_rows():
        name = f"{status} {APPROXIMATION}" if grader in approximate else status
        told, meaning = Text(name, STYLES.get(status, "")), Text(MEANINGS.get(status, ""), "dim")
        lines.append((told, f"{count:,}", f"{count / rows.height:.1%}", grader, meaning))
    heads = [words("status"), *figures("runs", "share"), words("grader"), words("meaning")]
    return table(heads, lines)


def _print_again(console: Console, rows: "pl.DataFrame") -> None:
    """Runs that a further attempt mended."""
    from srft_assets.outcomes.harness.run import attempts_behind

    again: list[tuple[dict[str, Any], int, str]] = []
    for row in rows.iter_rows(named=True):
        attempts = attempts_behind(row["log"]) if _has_folder(row) else []
        if len(attempts) > 1 and row["status"] != "infra_error":
            again.append((row, len(attempts), attempts[0].reason))
    if again:
        say(console, f"\nthe machine failed at {len(again)}, and did not when tried again:")
    for row, count, reason in again[:SHOWN_RUNS]:
        at = f"{row['status']} at attempt {count}"
        say(console, f"  {quoted(row['trajectory_id'])}  {at}; the first: {quoted(reason)}")
    _print_rest(console, len(again))


def _has_folder(row: dict[str, Any]) -> bool:
    """Whether `log` names a file; the sandbox's graders keep what the tests printed instead."""
    return bool(row["log"]) and not row["grader"].startswith("srft-")


def _print_failed(console: Console, rows: "pl.DataFrame", batch: str) -> None:
    import polars as pl

    from srft_assets.outcomes.stage import KEPT

    kept = pl.col("reason").str.contains(KEPT, literal=True)
    failed = rows.filter((pl.col("status") == "infra_error") | kept)
    if failed.is_empty():
        return
    told = f"the machine failed at {failed.height}; once that is mended: srft grade {batch}"
    say(console, f"\n[yellow]{told}[/]")
    for row in failed.head(SHOWN_RUNS).iter_rows(named=True):
        say(console, f"  {quoted(row['trajectory_id'])}  {quoted(row['reason'])}")
    _print_rest(console, failed.height)


def _print_rest(console: Console, count: int) -> None:
    if count > SHOWN_RUNS:
        say(console, f"  … and {count - SHOWN_RUNS} more")
