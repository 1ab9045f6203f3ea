"""Write docs/messages.md, every error that ends with a way out: `python -m tools.messages_doc`.

Read from the code: what is raised as an error of ours, `…` where it is filled in, parted where the
way out begins, which is a word that tells the reader to do something.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "messages.md"
ERRORS = {"SrftError", "UsageError", "RecordError", "RunRefusedError", "MissingInputError"}
TELLING = (
    "ask check choose compare export free give grade http ingest install leave let list lower make "
    "mend move name pip put raise register remove run save set srft start state take try use wait "
    "write"
)
WAY_OUT = re.compile(rf"[:;,.] (?=(?:{TELLING.replace(' ', '|')})\b)")
HEAD = """# Messages with a way out

Every error that says what to do, by its words; `…` stands for a name, a number or a path. Written
from the code by `python -m tools.messages_doc`. [Troubleshooting](troubleshooting.md) says more
about the frequent ones.

| message | what helps |
| --- | --- |
"""


def texts_of(source: str) -> Iterator[str]:
    """The texts of errors of ours that a module raises."""
    for node in ast.walk(ast.parse(source)):
        if not (isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)):
            continue
        name = getattr(node.exc.func, "id", getattr(node.exc.func, "attr", ""))
        if name in ERRORS and node.exc.args:
            yield "".join(_parts(node.exc.args[0]))


def _parts(node: ast.expr) -> Iterator[str]:
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr(values=values):
            for value in values:
                yield from _parts(value)
        case ast.FormattedValue():
            yield "…"


def page() -> str:
    """The page as it should be."""
    rows = set()
    for path in sorted((ROOT / "srft_assets").rglob("*.py")):
        for text in texts_of(path.read_text(encoding="utf-8")):
            if (found := WAY_OUT.search(text)) and re.search(r"\w{4}", text[: found.start()]):
                message, helps = text[: found.start()], text[found.end() :]
                rows.add(f"| {_cell(message)} | {_cell(helps)} |\n")
    return HEAD + "".join(sorted(sorted(rows), key=lambda row: row.lower().lstrip("| `….':")))


def _cell(text: str) -> str:
    quoted = text.replace("`", "'").replace("|", "\\|").strip()
    return f"`{quoted}`"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
