"""`srft dev`: the Dagster UI on this platform."""

import os
from typing import Annotated

import typer
from rich.console import Console

from srft_assets.home import current_home
from srft_assets.project.folder import PROJECT, current_project

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def dev(
    port: Annotated[int, typer.Option(help="Port of the UI.")] = 3000,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    read_only: Annotated[
        bool, typer.Option("--read-only", help="A UI that starts and changes nothing.")
    ] = False,
) -> None:
    """Open the Dagster UI, with sensors and schedules. Ends with Ctrl-C."""
    import secrets
    import sys

    from srft_assets.cli.console import quoted, say
    from srft_assets.components.launch import open_instance
    from srft_assets.components.webserver import MODULE, READ_ONLY, TOKEN
    from srft_assets.processes.child import python

    home = current_home()
    with open_instance(home):  # made where it is absent, and named where it is damaged
        os.environ["DAGSTER_HOME"] = str(home.dagster)
    os.environ["SRFT_HOME"] = str(home.root)
    os.environ["VIRTUAL_ENV"] = sys.prefix  # what dg takes for the activated one
    os.environ["PYTHONSAFEPATH"] = "1"  # a current folder may hold modules of somebody else
    token = os.environ[TOKEN] = os.environ.get(TOKEN) or secrets.token_urlsafe()
    if read_only:
        os.environ[READ_ONLY] = "1"
    words = ["--port", str(port), "--host", host]
    project = current_project()
    if project.file.is_file():
        os.environ[PROJECT] = str(project.root)
    if (project.root / "pyproject.toml").exists():
        os.chdir(project.root)
        words = ["dg", "dev", *words]
    else:  # an installed package: dg works in its own projects only
        os.chdir(home.dagster)
        words = ["dagster", "dev", "-m", "srft_assets.definitions", *words]
    if host not in LOOPBACK:
        address = f"http://NAME:{port}/?token={token}"
        say(Console(), f"By another name than localhost, open {quoted(address)} once.")
    os.execv(sys.executable, python(MODULE, *words))
