"""The SQL files: where they are, and the statements in them."""

from dataclasses import dataclass
from pathlib import Path

from srft_assets.errors import SrftError

PACKAGE = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class SqlFile:
    """One SQL file. `name` is that of the table, view, macro or query it holds."""

    kind: str
    name: str
    text: str


def sql_folder() -> Path:
    """`sql/` of the checkout, or of the installed package. Raises SrftError where neither is."""
    for folder in (PACKAGE.parent / "sql", PACKAGE / "sql"):
        if (folder / "tables").is_dir():
            return folder
    raise SrftError("the SQL files are missing: install the package again")


def sql_files(*kinds: str) -> list[SqlFile]:
    """The files of these folders of `sql/`, by folder, then by name."""
    return [
        SqlFile(kind, path.stem, path.read_text(encoding="utf-8"))
        for kind in kinds
        for path in sorted((sql_folder() / kind).glob("*.sql"))
    ]


def query_file(name: str) -> SqlFile | None:
    """The named query; None where there is none of this name."""
    return next((file for file in sql_files("queries") if file.name == name), None)


def leading_comment(text: str) -> str:
    """The comment lines that a file begins with, less their dashes."""
    lines: list[str] = []
    for line in text.splitlines():
        if not line.startswith("--"):
            break
        lines.append(line.removeprefix("--").strip())
    return "\n".join(lines)
