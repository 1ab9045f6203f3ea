"""`srft view`: runs, verdicts and masks in the browser."""

from typing import Annotated

import typer
from rich.console import Console

from srft_assets.cli.console import quoted, say
from srft_assets.cli.platform import refresh_catalogue
from srft_assets.home import current_home


def view(
    port: Annotated[int, typer.Option(help="Port of the pages.", min=1, max=65535)] = 3333,
    links: Annotated[
        int, typer.Option(help="One-time links to print, one a person or browser.", min=1, max=50)
    ] = 1,
) -> None:
    """See runs, verdicts and masks in the browser, and judge steps. Ends with Ctrl-C."""
    import uvicorn

    from srft_assets.view.app import view_app
    from srft_assets.view.door import OPEN, Keys, address

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
    config = uvicorn.Config(
        app, host="127.0.0.1", port=port, log_level="warning", access_log=False, server_header=False
    )
    uvicorn.Server(config).run()
