"""The exports that a platform wrote, wherever they lie."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from srft_assets.errors import UsageError
from srft_assets.exports.writer import MANIFEST, check_replaceable
from srft_assets.files import place
from srft_assets.home import Home

COLUMNS = {
    "name": "VARCHAR",
    "arm": "VARCHAR",
    "format": "VARCHAR",
    "runs": "BIGINT",
    "rows": "BIGINT",
    "made_at": "VARCHAR",
    "folder": "VARCHAR",
}
"""Of `known_exports`, with DuckDB's types. `made_at` is ISO 8601, UTC."""


def remember(home: Home, folder: Path, arm: str) -> None:
    """Write down that an export of the arm was written to the folder."""
    told = {"folder": str(folder), "arm": arm, "made_at": f"{datetime.now(UTC):%FT%TZ}"}
    told["manifest"] = _digest((folder / MANIFEST).read_bytes())
    place(_note(home, folder), orjson.dumps(told))


def known_exports(home: Home) -> list[dict[str, Any]]:
    """Those that are still there, by the name of their folder."""
    found = []
    for note in (home.root / "exports").glob("*.json"):
        try:
            told = orjson.loads(note.read_bytes())
            folder = Path(told["folder"])
            written = (folder / MANIFEST).read_bytes()
            if told.pop("manifest") != _digest(written):
                continue  # Another platform's by now.
            manifest = orjson.loads(written)
            by_status = manifest["counts"]["by_status"].values()
            counts = {key: sum(one[key] for one in by_status) for key in ("runs", "rows")}
            found.append({"name": folder.name, "format": manifest["format"], **told, **counts})
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue  # It is gone.
    return sorted(found, key=lambda row: (row["name"], row["folder"]))


def export_folder(home: Home, name: str) -> Path:
    """The folder of an export, by its name or its path, that holds nothing else.

    Raises UsageError where there is none or are several, and where other files lie in it.
    """
    names = {name, str(Path(name).expanduser().absolute())}
    fits = [Path(one["folder"]) for one in known_exports(home) if names & {*_names(one)}]
    if len(fits) != 1:
        few = ", ".join(str(path) for path in fits) or "srft ls exports"
        raise UsageError(f"{len(fits) or 'no'} exports {name!r}: {few}")
    check_replaceable(fits[0])
    return fits[0]


def _names(export: dict[str, Any]) -> tuple[str, str]:
    return export["name"], export["folder"]


def _note(home: Home, folder: Path) -> Path:
    return home.root / "exports" / f"{_digest(str(folder).encode())}.json"


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
