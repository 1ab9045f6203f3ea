"""Text of others in Markdown: shown as it is, never read as markup."""

import re
from collections.abc import Iterable, Sequence

from srft_assets.warehouse.visible import visible


def code(text: str) -> str:
    """Inline code, on one line, whatever is in the text."""
    plain = visible(" ".join(text.split())).replace("|", "\\|")
    ticks = "`" * (1 + max(map(len, re.findall("`+", plain)), default=0))
    pad = " " if plain.startswith("`") or plain.endswith("`") else ""
    return f"{ticks}{pad}{plain}{pad}{ticks}"


def fenced(text: str, language: str) -> str:
    """A block of code that no line of the text ends."""
    plain = "\n".join(visible(line) for line in text.splitlines())
    ticks = "`" * max(3, 1 + max(map(len, re.findall("`+", plain)), default=0))
    return f"{ticks}{language}\n{plain}\n{ticks}"


def table(heads: Sequence[str], rows: Iterable[Sequence[str | int]]) -> str:
    """A table; columns of numbers stand to the right."""
    listed = [list(row) for row in rows]
    last = listed[-1] if listed else heads
    rule = ["---:" if isinstance(cell, int) else "---" for cell in last]
    cells = [[f"{cell:,}" if isinstance(cell, int) else cell for cell in row] for row in listed]
    return "\n".join(f"| {' | '.join(line)} |" for line in [heads, rule, *cells])
