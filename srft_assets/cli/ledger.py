"""`srft ledger`: the answers that critics were paid for."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from srft_assets.cli.console import quoted, say
from srft_assets.errors import UsageError
from srft_assets.home import current_home

ledger = typer.Typer(
    no_args_is_help=True, help="Check and copy the answers that critics were paid for."
)


@ledger.command()
def verify() -> None:
    """Check every answer, and write `critic_calls` anew; exit 1 where one is damaged."""
    from srft_assets.critic.calls import write_calls
    from srft_assets.critic.ledger import Ledger

    console, home = Console(), current_home()
    count, damaged = 0, 0
    partitions: set[tuple[str, str]] = set()
    with Ledger(home) as answers:
        for reply, sound in answers.everything():
            count += 1
            partitions.add((reply.critic, reply.batch))
            if not sound:
                damaged += 1
                say(console, quoted(f"{reply.key}: not as it was kept (about {reply.about})"))
    for critic, batch in sorted(partitions):
        write_calls(home, critic, batch)
    say(console, f"answers: {count:,}; damaged: {damaged:,}")
    if damaged:
        raise typer.Exit(1)


@ledger.command()
def export(
    out: Annotated[Path, typer.Option(help="JSON Lines file to write.")] = Path("ledger.jsonl"),
) -> None:
    """Write all answers as JSON Lines. In `ledger/` of another home they are taken over there."""
    from srft_assets.critic.ledger import Ledger
    from srft_assets.critic.old_ledger import encode

    if out.exists():
        raise UsageError(f"{out} exists: choose another --out")
    count = 0
    with Ledger(current_home()) as answers, out.open("xb") as file:
        for reply, _ in answers.everything():
            file.write(encode(reply))
            count += 1
    say(Console(), f"wrote {count:,} answers to {quoted(str(out))}")
