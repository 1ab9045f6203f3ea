"""Hostile text made fit for a terminal: short, and with nothing hidden in it."""

from rich.text import Text

LINE_CHARS = 400

CONTROL_PICTURES = 0x2400
"""Unicode block of visible signs for the control characters 0–31."""


def visible(text: str) -> str:
    """The text with every character that a terminal would act on or hide made visible.

    Line ends stay and tabs become spaces. Other control characters become pictures (ESC is ␛),
    so that no escape sequence survives; direction marks, zero-width and unassigned characters
    become `\\u202e`.
    """
    return "".join(map(_shown, text.replace("\r\n", "\n").expandtabs(4)))


def _shown(char: str) -> str:
    if char == "\n" or char.isprintable():
        return char
    if ord(char) < 0x20:
        return chr(CONTROL_PICTURES + ord(char))
    return "␡" if char == "\x7f" else char.encode("unicode_escape").decode()


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
    return Text(visible(text), style=style, overflow="fold")
