"""`srft ledger`: the answers that critics were paid for."""

import typer
from rich.console import Console

from srft_assets.cli.console import quoted, say
from srft_assets.home import current_home

ledger = typer.Typer(
    no_args_is_help=True, help="Check and compact the answers that critics were paid for."
)


@ledger.command()
def verify() -> None:
    """Check every answer; exit 1 where one is damaged."""
    from srft_assets.critic.ledger.verify import verify as check

    console = Console()
    report = check(current_home().ledger)
    for fault in report.damaged:
        say(console, quoted(f"{fault}; put back a copy, or it is paid for again when needed"))
    for fault in report.torn:
        say(console, quoted(f"{fault}; it was never used: `srft ledger compact` drops it"))
    say(
        console,
        f"answers: {report.replies:,}; files: {report.files:,}; "
        f"answered more than once: {report.doubled:,}; "
        f"torn: {len(report.torn):,}; damaged: {len(report.damaged):,}",
    )
    if report.damaged:
        raise typer.Exit(1)


@ledger.command()
def compact() -> None:
    """Merge the files of writers that are gone into one Parquet file."""
    from srft_assets.critic.ledger.compaction import compact as merge

    console = Console()
    done = merge(current_home().ledger)
    for name in done.damaged:
        say(console, quoted(f"left alone, damaged (see srft ledger verify): {name}"))
    for name in done.writing:
        say(console, quoted(f"left alone, its writer is at work: {name}"))
    if done.file is None:
        say(console, "nothing to merge")
        return
    say(
        console,
        f"{done.file}: answers: {done.replies:,}; merged files: {len(done.merged):,}; "
        f"dropped: {done.doubled:,} doubled, {done.torn:,} torn",
    )
    say(console, f"{_size(done.bytes_before)} before, {_size(done.bytes_after)} after")


def _size(count: int) -> str:
    size = float(count)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(ledger, name="ledger")
