"""Long text of others made fit for a terminal: short, and with nothing hidden in it."""

from rich.text import Text

from srft_assets.text import visible_lines

LINE_CHARS = 400


def clip(text: str, lines: int) -> str:
    """At most `lines` lines of at most `LINE_CHARS` characters; what is cut from the middle of
    the text or of a line is counted in its place."""
    kept = text.strip("\n").split("\n")
    if len(kept) > lines:
        head, tail = (lines + 1) // 2, lines // 2
        cut = f"⋯ {len(kept) - head - tail:,} more lines ⋯"
        kept = [*kept[:head], cut, *(kept[-tail:] if tail else [])]
    return "\n".join(map(_clip_line, kept))


def _clip_line(line: str) -> str:
    over = len(line) - LINE_CHARS
    if over <= 0:
        return line
    half = LINE_CHARS // 2
    return f"{line[:half]} ⋯ {over:,} more characters ⋯ {line[-half:]}"


def plain(text: str, style: str = "") -> Text:
    """Visible text as rich shows it, with no markup read from it."""
    return Text(visible_lines(text), style=style, overflow="fold")
