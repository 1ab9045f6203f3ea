"""What grading a batch came to, for people."""

from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from srft_assets.cli.console import quoted, say
from srft_assets.home import Home

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


def print_graded(console: Console, home: Home, batch: str) -> None:
    """Statuses with their shares, what was tried again, where the machine failed, the logs."""
    from srft_assets.outcomes.grader_choice import read_grading
    from srft_assets.outcomes.status import is_approximate
    from srft_assets.warehouse.store import Warehouse

    rows = Warehouse(home.warehouse).read("test_outcomes", batch)
    grading = read_grading(home, batch)
    say(console, f"batch {batch}: {_graded_by(rows, grading)}")
    if rows.is_empty():
        return
    console.print()
    marked = frozenset(filter(is_approximate, rows["grader"].unique()))
    console.print(_statuses(rows, marked))
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
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold underline")
    table.add_column("status")
    table.add_column("runs", justify="right")
    table.add_column("share", justify="right")
    table.add_column("grader")
    table.add_column("meaning")
    counts = rows.group_by("status", "grader").len().sort("len", "status", descending=[True, False])
    for status, grader, count in counts.iter_rows():
        name = f"{status} {APPROXIMATION}" if grader in approximate else status
        share = f"{count / rows.height:.1%}"
        meaning = Text(MEANINGS.get(status, ""), style="dim")
        table.add_row(
            Text(name, style=STYLES.get(status, "")), f"{count:,}", share, grader, meaning
        )
    return table


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
    failed = rows.filter(status="infra_error")
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
