"""Figures as people read them."""

from rich.text import Text

WIDTH = 20
UNITS = ("B", "kB", "MB", "GB", "TB")


def count(value: int | None) -> str:
    """A whole number with separators; `·` for none."""
    return "·" if value is None else f"{value:,}"


def percent(value: float | None) -> str:
    """A share as a percentage; `·` for none."""
    return "·" if value is None else f"{value:.1%}"


def interval(low: float | None, high: float | None) -> str:
    """The two ends of an interval of shares."""
    return "·" if low is None or high is None else f"{low:.1%} – {high:.1%}"


def bar(value: float | None, style: str) -> Text:
    """A share as a bar of `WIDTH` characters."""
    eighths = round((value or 0.0) * WIDTH * 8)
    part = " ▏▎▍▌▋▊▉"[eighths % 8].strip()
    return Text("█" * (eighths // 8) + part, style=style)


def size(value: int) -> str:
    """Bytes in decimal units."""
    number, unit = float(value), 0
    while number >= 1000 and unit < len(UNITS) - 1:
        number, unit = number / 1000, unit + 1
    return f"{number:.0f} {UNITS[unit]}" if unit == 0 else f"{number:.1f} {UNITS[unit]}"
