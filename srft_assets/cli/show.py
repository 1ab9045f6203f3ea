"""`srft show`: one run, step by step."""

from typing import Annotated

import typer
from rich.console import Console

from srft_assets.home import current_home


def show(
    run: Annotated[str, typer.Argument(help="A trajectory id, or its unique beginning.")],
    arm: Annotated[str | None, typer.Option(help="Show which text this arm trains on.")] = None,
    critic: Annotated[
        str | None, typer.Option(help="Whose verdicts; needed where several judged.")
    ] = None,
) -> None:
    """Show a run with the label and reason of each step, trained and masked text apart."""
    from srft_assets.show.find import find_run
    from srft_assets.show.run import render_run

    found = find_run(current_home(), run, arm=arm, critic=critic)
    Console().print(
        render_run(found.run, found.verdicts, found.outcome, found.rows, found.tokenizer)
    )
