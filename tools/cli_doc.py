"""Write `docs/cli.md` anew, from the command line itself: `python -m tools.cli_doc`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from srft_assets.cli.app import app

HEAD = """\
# Commands

Written from the command line itself by `tools/cli_doc.py`; a test fails where it is out of date.

Every command exits with one of these:

| exit | meaning |
| ---: | --- |
| 0 | done |
| 1 | failed: the last line begins with `error:` and says what to do; what was made is kept |
| 2 | wrong use: of the command, an option, or a name that is not there |
| 3 | nothing matched (`srft ls`) |
| 4 | nothing failed, and some waits: a budget is spent, or `--no-wait`; run again later |
| 130 | interrupted by Ctrl-C |

Every command takes `--json`, but for `srft dev` and `srft view`, which become servers. It
prints one JSON object and nothing else on standard output, and no progress; the exit code is the
same. Rows are a list of objects: `rows` of a listing (`srft ls`, `srft config`, and wherever there
is a `--format`), or by what they are rows of (`srft status`: `batches`, `critics`, `arms`, `stale`,
`running`, the object `left`, and the texts `home` and `next`; `srft plan`: `partitions`,
`notices`, `costs` by stage, and their sum, the object `cost`; `srft compare`: `arms`, `pairs`).
Other commands tell the lines that they print otherwise as the list `said`, and beside it what
they made or found: `made`, `kept`, `failed` and `waiting` (partitions by asset; `srft init`,
`new` and `use`: folders, files), `goes` and `stays` (`srft delete`), `faults` (`srft check`),
`recipes`, `seeds`, `new`, `old`. A command that fails has its reason as `error`, also where it
would print rows; one that was called with a wrong option prints no object. What is unknown is
null, times are ISO 8601 in UTC, shares are 0 to 1.
"""


def cli_markdown() -> str:
    """The document: a section a command, groups after their own help."""
    lines = [HEAD]
    root = typer.main.get_command(app)
    for words, command in _commands(root, ("srft",)):
        lines += _section(words, command)
    return "\n".join(lines).rstrip() + "\n"


def _commands(command: Any, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield words, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from _commands(inner, (*words, name))


def _section(words: tuple[str, ...], command: Any) -> Iterator[str]:
    context = typer.Context(command, info_name=" ".join(words))
    yield f"## `{' '.join(words)}`\n"
    yield f"{' '.join((command.help or '').split())}\n"
    usage = " ".join(command.collect_usage_pieces(context))
    yield f"```\n{' '.join(words)} {usage}\n```\n"
    records = [one for one in _records(command, context) if one[0]]
    if records:
        yield "| argument or option | meaning |\n| --- | --- |"
        for name, meaning in records:
            yield f"| `{_cell(name)}` | {_cell(meaning)} |"
        yield ""


def _records(command: Any, context: typer.Context) -> Iterator[tuple[str, str]]:
    for one in command.get_params(context):
        if one.name not in ("help", "install_completion", "show_completion"):
            told = one.get_help_record(context)
            yield told or ("", "")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    path = Path(__file__).parent.parent / "docs" / "cli.md"
    path.write_text(cli_markdown(), encoding="utf-8")
