"""The Typer application and how failures are told."""

import os
import sys
from typing import Annotated

import typer
from rich.console import Console

from srft_assets import __version__
from srft_assets.cli import (
    compare,
    config,
    critic,
    database,
    delete,
    dev,
    doctor,
    export,
    grade,
    ingest,
    lab,
    ledger,
    plan,
    project,
    push,
    rollout,
    seeds,
    show,
    sql,
    status,
    trial,
    view,
)
from srft_assets.cli.as_json import give_json
from srft_assets.cli.console import close_log, keep, name_command, quoted, say
from srft_assets.errors import SrftError, UsageError
from srft_assets.home import check_home, current_home
from srft_assets.processes.child import end_when_told
from srft_assets.project.folder import HOME, current_project, load_env_file, state_option

app = typer.Typer(
    name="srft",
    help="Step Rejection Fine-Tuning of coding agents.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

INTERRUPTED = 130
"""What Typer exits with after Ctrl-C, without a word."""
FOR_OTHERS = ("init", "export", "merge", "report")
"""Commands whose output people share; all else is made for this account alone."""
DEBUG = "SRFT_DEBUG"
"""Set by `--debug`; also understood from the environment."""


def _version(stated: bool) -> None:
    if stated:
        typer.echo(f"srft {__version__}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    home: Annotated[
        str | None,
        typer.Option(help="Folder of all state (SRFT_HOME).", metavar="FOLDER"),
    ] = None,
    debug: Annotated[bool, typer.Option(help="Show tracebacks.")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Options of every command."""
    name_command(context.invoked_subcommand)
    if context.invoked_subcommand not in FOR_OTHERS:
        os.umask(0o077)
    if home:
        state_option(HOME, home, "--home")
    load_env_file()
    if debug:
        state_option(DEBUG, "1", "--debug")
    place = current_home()
    check_home(place)
    if place.ledger.is_dir():
        from srft_assets.critic.ledger import Ledger

        Ledger(place).close()


for command in (
    project.init,
    lab.demo,
    ingest.ingest,
    grade.grade,
    plan.plan,
    plan.apply,
    status.status,
    status.ls,
    sql.sql,
    sql.stats,
    show.show,
    compare.compare,
    rollout.rollout,
    export.export,
    export.merge,
    doctor.doctor,
    database.backup,
    config.config,
    project.check,
    dev.dev,
    view.view,
    view.report,
):
    app.command(cls=plan.NamedOrNot if command is plan.plan else None)(command)
critic.critic.command("try")(trial.try_critic)
critic.critic.command("new")(project.new_critic)
for name, group in (
    ("critic", critic.critic),
    ("arm", project.arm),
    ("recipe", project.recipe),
    ("delete", delete.delete),
    ("rename", delete.rename),
    ("review", critic.review),
    ("push", push.push),
    ("ledger", ledger.ledger),
    ("database", database.database),
    ("seeds", seeds.seeds),
    ("lab", lab.lab),
):
    app.add_typer(group, name=name)

give_json(app)


def main() -> None:
    """Run the command line: exit 0, 1 for a failure, 2 for a wrong call."""
    end_when_told()
    try:
        _run()
    finally:
        _end_log()


def _run() -> None:
    try:
        app()
    except SrftError as error:
        _tell(str(error))
        sys.exit(2 if isinstance(error, UsageError) else 1)
    except SystemExit as end:
        if end.code == INTERRUPTED:
            _tell("interrupted; what was made is kept")
        if isinstance(end.__context__, BrokenPipeError):  # rich takes `| head` for a failure
            sys.exit(0)
        raise
    except BrokenPipeError:
        sys.stdout = None
        sys.exit(0)
    except Exception as error:  # the last line before a traceback, which only --debug shows
        if _debugging():
            raise
        _tell(f"{type(error).__name__}: {error} (srft --debug shows where)")
        sys.exit(1)


def _debugging() -> bool:
    """`debug` as the settings read it, also where others of them are wrong."""
    from pydantic import TypeAdapter, ValidationError

    try:
        stated = os.environ.get(DEBUG) or current_project().stated().get("debug", False)
        return TypeAdapter(bool).validate_python(stated)
    except (SrftError, ValidationError):
        return False


def _end_log() -> None:
    if log := close_log():
        say(Console(stderr=True), f"[dim]log: {quoted(str(log))}[/]")


def _tell(message: str) -> None:
    """The error is the last line, also of the log."""
    if _debugging():
        Console(stderr=True).print_exception()
    keep(f"error: {' '.join(message.split())}")
    _end_log()
    say(Console(stderr=True), f"[bold red]error:[/] {quoted(message)}")
