"""`--json` of every command: one object on standard output, and nothing else there."""

import io
import os
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import wraps
from inspect import Parameter, signature
from typing import Annotated, Any

import typer

from srft_assets.cli import console
from srft_assets.cli.progress import QUIET
from srft_assets.cli.sql import Format

OPTION = typer.Option("--json", help="Print one JSON object.")
WITHOUT = dict.fromkeys(("dev", "view"), "becomes a server, and never ends by itself")
"""Commands that have none, and why."""


def give_json(group: typer.Typer) -> None:
    """Let every command of the application, and of its groups, have `--json`."""
    for command in group.registered_commands:
        function = command.callback
        if function is not None and (command.name or function.__name__) not in WITHOUT:
            command.callback = with_json(function)
    for inner in group.registered_groups:
        if inner.typer_instance is not None:
            give_json(inner.typer_instance)


def with_json(function: Callable[..., None]) -> Callable[..., None]:
    """The command with `--json`.

    What it prints as JSON of its own is printed, rows as `rows`. Of all others the object has what
    was put into it (`console.put`), the lines that it would print as `said`, and, where it fails,
    `error`.
    """
    shape = signature(function)
    own = "as_json" in shape.parameters
    formatted = shape.parameters.get("format_")
    rows = formatted is not None and isinstance(formatted.default, Format)

    @wraps(function)
    def command(**given: Any) -> None:
        if not given.get("as_json"):
            function(**(given if own else {k: v for k, v in given.items() if k != "as_json"}))
            return
        if not own:
            del given["as_json"]
        if rows:
            given["format_"] = Format.JSON
        _run(lambda: function(**given), whole=own or rows)

    if not own:
        option = Parameter(
            "as_json", Parameter.KEYWORD_ONLY, default=False, annotation=Annotated[bool, OPTION]
        )
        shape = shape.replace(parameters=[*shape.parameters.values(), option])
        command.__annotations__ = {**function.__annotations__, "as_json": option.annotation}
    command.__signature__ = shape  # type: ignore[attr-defined]  # what inspect, and so Typer, asks
    return command


def _run(work: Callable[[], None], whole: bool) -> None:
    """Run a command; `whole`: it prints JSON itself."""
    from srft_assets.warehouse.output import json_text

    heard, told = io.StringIO(), console.begin_json()
    loud = os.environ.get(QUIET)
    os.environ[QUIET] = "1"  # progress is in the log
    error = ""
    try:
        with redirect_stdout(heard):
            work()
    except typer.Exit:
        raise
    except Exception as raised:  # told by a line on standard error, too, and by the exit code
        error = str(raised) or type(raised).__name__
        raise
    finally:
        os.environ.pop(QUIET)
        if loud is not None:
            os.environ[QUIET] = loud
        text = heard.getvalue().strip()
        if whole and not error:
            said = f'{{"rows": {text}}}' if text.startswith("[") else text
        else:
            lines = {} if whole else {"said": text.splitlines()}
            said = json_text({**told, **lines, **({"error": error} if error else {})})
        sys.stdout.write(f"{said}\n")
