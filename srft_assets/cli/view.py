"""`srft view`: runs, verdicts and masks in the browser; `srft report`: a file to send to others."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from srft_assets.cli.console import quoted, say
from srft_assets.cli.platform import chosen_batches, refresh_catalogue
from srft_assets.errors import UsageError
from srft_assets.home import current_home


def view(
    port: Annotated[
        int | None,
        typer.Option(help="Port of the pages, by default `view.port`.", min=1, max=65535),
    ] = None,
    links: Annotated[
        int, typer.Option(help="One-time links to print, one a person or browser.", min=1, max=50)
    ] = 1,
) -> None:
    """See runs, verdicts and masks in the browser, and judge steps. Ends with Ctrl-C."""
    import socket
    from contextlib import suppress

    import uvicorn

    from srft_assets.project.settings import settings
    from srft_assets.view.access import OPEN, Keys, address
    from srft_assets.view.app import view_app

    port = port or settings().view.port
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("127.0.0.1", port))
    except OSError as error:
        raise UsageError(
            f"port {port}: {error.strerror}: choose another --port, or view.port in srft.yaml"
        ) from None
    home = current_home()
    refresh_catalogue(home)
    console, keys = Console(), Keys()
    app = view_app(home, keys, port)
    say(console, f"reading {quoted(str(home.root))}")
    app.state.index.warm()
    say(console, "Open, once each:" if links > 1 else "Open, once:")
    for _ in range(links):
        link = f"{address(port, OPEN)}?token={keys.link()}"
        console.print(link, soft_wrap=True, highlight=False, markup=False)
    config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False)
    with suppress(KeyboardInterrupt):  # how it is meant to end
        uvicorn.Server(config).run(sockets=[listening])


def report(
    out: Annotated[Path, typer.Option(help="File to write.")] = Path("report.html"),
    batch: Annotated[
        list[str] | None, typer.Option(help="Runs and verdicts of these batches only.")
    ] = None,
    arm: Annotated[list[str] | None, typer.Option(help="These arms only.")] = None,
) -> None:
    """Write outcomes, critics, arms, losses and costs as one HTML file that needs no network."""
    from srft_assets.view.app import templates
    from srft_assets.view.report import report as text_of
    from srft_assets.warehouse.partitions import Warehouse

    if out.exists():
        raise UsageError(f"{out} exists: choose another --out")
    home = current_home()
    refresh_catalogue(home)
    made = Warehouse(home.warehouse).partitions("trajectories")
    batches = [name for name in chosen_batches(home, batch) if name in made]
    asked = shlex.join(["srft", *sys.argv[1:]])
    out.write_text(text_of(home, templates(), batches, arm or [], asked), encoding="utf-8")
    say(Console(), f"wrote {quoted(str(out))}: one file, to be opened by any browser")
