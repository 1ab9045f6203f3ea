"""`srft config`: every setting, its value, and where that came from."""

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from srft_assets.cli.console import quoted, say
from srft_assets.home import current_home
from srft_assets.project.folder import current_project
from srft_assets.tables import table, whole, words
from srft_assets.text import visible

if TYPE_CHECKING:
    from srft_assets.project.settings_text import Stated


def config(
    as_json: Annotated[bool, typer.Option("--json", help="Print them as JSON.")] = False,
) -> None:
    """Show each setting, its value, and where that came from. Secrets are never shown."""
    from srft_assets.project.settings_text import every_setting

    found, console = every_setting(), Console()
    if as_json:
        typer.echo(_json(found))
        return
    say(console, f"project {quoted(str(current_project().root))}")
    say(console, f"state   {quoted(str(current_home().root))}")
    rows = [
        (one.name, _shown(one.value), Text(one.origin, "dim" if one.origin == "default" else ""))
        for one in found
    ]
    console.print(table([whole("setting"), words("value"), words("from")], rows))


def _shown(value: Any) -> Text:
    if isinstance(value, tuple):
        return Text(visible(", ".join(map(str, value))) or "-")
    return Text(visible("-" if value is None or value == {} else _plain(value)))


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}: {part}" for name, part in value.items())
    return str(value).lower() if isinstance(value, bool) else str(value)


def _json(found: "list[Stated]") -> str:
    from dataclasses import asdict

    from pydantic import TypeAdapter

    rows = [asdict(one) for one in found]
    project, home = str(current_project().root), str(current_home().root)
    told = {"project": project, "home": home, "rows": rows}
    return TypeAdapter(dict[str, Any]).dump_json(told, indent=2).decode()
