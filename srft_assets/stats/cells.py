"""Figures as people read them."""

from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.text import Text

WIDTH, LEAST = 20, 4
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


@dataclass(frozen=True)
class Bar:
    """A share, 0 to 1 (None: 0), as a bar of `WIDTH` characters, fewer where there is no room."""

    value: float | None
    style: str

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(LEAST, WIDTH)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        eighths = round((self.value or 0.0) * min(WIDTH, options.max_width) * 8)
        part = " ▏▎▍▌▋▊▉"[eighths % 8].strip()
        yield Text("█" * (eighths // 8) + part, style=self.style)


def size(value: int) -> str:
    """Bytes in decimal units."""
    number, unit = float(value), 0
    while number >= 1000 and unit < len(UNITS) - 1:
        number, unit = number / 1000, unit + 1
    return f"{number:.0f} {UNITS[unit]}" if unit == 0 else f"{number:.1f} {UNITS[unit]}"
