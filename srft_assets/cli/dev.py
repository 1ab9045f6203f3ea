"""`srft dev`: the Dagster UI on this platform."""

import os
from pathlib import Path
from typing import Annotated

import typer

from srft_assets.home import CHECKOUT, current_home


def dev(
    port: Annotated[int, typer.Option(help="Port of the UI.")] = 3000,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
) -> None:
    """Open the Dagster UI, with sensors and schedules. Ends with Ctrl-C."""
    import sys

    from srft_assets.instance import prepare_instance

    home = current_home()
    os.environ["DAGSTER_HOME"] = str(prepare_instance(home))
    os.environ["SRFT_HOME"] = str(home.root)
    os.environ["VIRTUAL_ENV"] = sys.prefix  # what dg takes for the activated one
    words = ["--port", str(port), "--host", host]
    if (CHECKOUT / "pyproject.toml").exists():
        os.chdir(CHECKOUT)
        program, words = "dg", ["dev", *words]
    else:  # an installed package: dg works in projects only
        program, words = "dagster", ["dev", "-m", "srft_assets.definitions", *words]
    path = str(Path(sys.executable).parent / program)
    os.execv(path, [path, *words])
