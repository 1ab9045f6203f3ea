"""`srft merge`: a checkpoint as a folder to take away."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from srft_assets.cli.console import quoted, say
from srft_assets.cli.platform import chosen_seeds
from srft_assets.home import current_home


def merge(
    arm: Annotated[str, typer.Argument(help="The arm whose checkpoint is written.")],
    out: Annotated[Path, typer.Option(help="Folder to write; it must be new.")],
    seed: Annotated[str, typer.Option(help="Which of its checkpoints, 0 to 9.")] = "0",
    base: Annotated[
        str | None,
        typer.Option(help="Base model to merge into, where the one trained on is elsewhere."),
    ] = None,
    adapter: Annotated[
        bool, typer.Option("--adapter", help="Write the LoRA adapter alone, unmerged.")
    ] = False,
) -> None:
    """Write a checkpoint as full weights, a LoRA adapter merged into its base model."""
    from srft_assets.child import quiet

    quiet()
    from srft_assets.training.merge import find_trained, write_adapter, write_merged

    (seed,) = chosen_seeds([seed])
    console = Console()
    trained = find_trained(current_home(), arm, seed)
    with console.status(f"merging {quoted(arm)}"):
        if adapter:
            write_adapter(trained, out)
        else:
            write_merged(trained, out, base)
    say(console, f"{quoted(str(out))}: {'adapter' if adapter else 'full weights'}, with its card")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(merge)
