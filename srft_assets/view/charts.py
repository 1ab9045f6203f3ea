"""Drawings as inline SVG, made here: pages run no script for them, and hold no style.

Every text in them is escaped, and what hides or reorders is made visible; numbers and classes are
ours.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from markupsafe import Markup, escape

from srft_assets.text import visible

NAMES = {"g": "good", "u": "unnecessary", "m": "mistake", "r": "recover", "-": "unlabeled", " ": ""}
HEIGHTS = {"g": 5, "u": 9, "m": 16, "r": 12, "-": 2, " ": 0}
"""A label differs from another by its height as well as by its colour."""
WIDTH = 760
ROW = 26
LEFT, RIGHT, TOP, BOTTOM = 190, 90, 10, 30
SERIES = 8
"""Colours and dashes there are for lines; further lines begin anew."""


def strip(labels: str | None) -> Markup:
    """The labels of a run from its first step to its last: one bar a step."""
    if not labels:
        return Markup("")
    parts, at = [], 0
    for letter, same in groupby(labels):
        width, height = len(list(same)), HEIGHTS.get(letter, 0)
        if height:
            parts.append(
                Markup('<rect class="l-{}" x="{}" y="{}" width="{}" height="{}"/>').format(
                    NAMES[letter], at, 16 - height, width, height
                )
            )
        at += width
    told = [f"{labels.count(one)} {name}" for one, name in NAMES.items() if name and one in labels]
    return Markup(
        '<svg class="strip" viewBox="0 0 {} 16" preserveAspectRatio="none" role="img" '
        'aria-label="{} steps: {}"><title>{}</title>{}</svg>'
    ).format(len(labels), len(labels), ", ".join(told), ", ".join(told), Markup("").join(parts))


@dataclass(frozen=True, slots=True)
class Bar:
    """A value with its interval, where it has one."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None


def bars(rows: Sequence[Bar], share: bool) -> Markup:
    """Values one below the other, each with its interval as a line. `share`: they are 0 to 1."""
    most = 1.0 if share else max([b.high or b.value for b in rows], default=0) or 1.0
    scale = (WIDTH - LEFT - RIGHT) / most
    parts = [_grid(len(rows), most, share)]
    for place, bar in enumerate(rows):
        y = TOP + place * ROW
        parts.append(_name(bar.name, y))
        parts.append(_rect("bar", LEFT, y + 4, bar.value * scale, ROW - 8))
        end = bar.value
        if bar.low is not None and bar.high is not None:
            end = max(bar.high, bar.value)
            middle = y + ROW / 2
            low, high = LEFT + bar.low * scale, LEFT + bar.high * scale
            ends = f"M{low:.1f} {middle - 4}v8M{high:.1f} {middle - 4}v8"
            parts.append(f'<path class="interval" d="M{low:.1f} {middle}H{high:.1f}{ends}"/>')
        parts.append(_text(LEFT + end * scale + 6, y + 17, _number(bar.value, share), "value"))
    return _svg(TOP + len(rows) * ROW + BOTTOM, parts)


def stacked(rows: Mapping[str, Mapping[str, float]], order: Sequence[str]) -> Markup:
    """Shares of a whole, one below the other; each row a whole of its own. A part that is wide
    enough bears its share."""
    scale = WIDTH - LEFT - RIGHT
    parts = [_grid(len(rows), 1.0, True)]
    for place, (name, found) in enumerate(rows.items()):
        y, x = TOP + place * ROW, float(LEFT)
        parts.append(_name(name, y))
        whole = sum(found.values()) or 1.0
        for part in order:
            width = found.get(part, 0.0) / whole * scale
            if width <= 0:
                continue
            told = f"{part}: {_number(found[part] / whole, True)}"
            parts.append(
                f'<g class="p-{escape(part)}">{_rect("part", x, y + 3, width, ROW - 6, told)}'
            )
            if width > 34:
                parts.append(_text(x + 5, y + 17, _number(found[part] / whole, True), "inside"))
            parts.append("</g>")
            x += width
    return _svg(TOP + len(rows) * ROW + BOTTOM, parts)


def lines(series: Mapping[str, Sequence[tuple[float, float]]], share: bool) -> Markup:
    """Lines over one axis, told apart by colour and dashes; their names beside, as they end."""
    points = [point for line in series.values() for point in line]
    height, left, right = 340, 60, 230
    if not points:
        return Markup("")
    xs, ys = [x for x, _ in points], [y for _, y in points]
    low_x, high_x = min(xs), max(xs)
    low_y, high_y = (0.0, 1.0) if share else (min(0.0, *ys), max(ys))
    wide, tall = WIDTH - left - right, height - TOP - BOTTOM

    def at(x: float, y: float) -> tuple[float, float]:
        across = (x - low_x) / ((high_x - low_x) or 1)
        up = (y - low_y) / ((high_y - low_y) or 1)
        return left + across * wide, TOP + (1 - up) * tall

    parts = []
    for n in range(5):
        y = low_y + (high_y - low_y) * n / 4
        _, down = at(low_x, y)
        parts.append(f'<path class="grid" d="M{left} {down:.1f}H{left + wide}"/>')
        parts.append(_text(left - 6, down + 4, _number(y, share), "tick end"))
    for x in (low_x, high_x):
        parts.append(_text(at(x, 0)[0], height - 8, _number(x, False), "tick middle"))
    colours = {name: f"c{place % SERIES}" for place, name in enumerate(series)}
    for name, line in series.items():
        drawn = "L".join("{:.1f} {:.1f}".format(*at(x, y)) for x, y in line)
        parts.append(f'<path class="line {colours[name]}" d="M{drawn}"/>')
    highest_first = sorted(series, key=lambda name: -series[name][-1][1])
    for place, name in enumerate(highest_first):
        y, x = TOP + 8 + place * 16, left + wide + 14
        parts.append(f'<path class="line {colours[name]}" d="M{x} {y}h24"/>')
        parts.append(_text(x + 30, y + 4, name[:28], f"name {colours[name]}"))
    return _svg(max(height, TOP + 16 * len(series) + 16), parts)


def _grid(rows: int, most: float, share: bool) -> str:
    wide, tall = WIDTH - LEFT - RIGHT, TOP + rows * ROW
    return "".join(
        f'<path class="grid" d="M{LEFT + wide * n / 4:.1f} {TOP}V{tall}"/>'
        + _text(LEFT + wide * n / 4, tall + 18, _number(most * n / 4, share), "tick middle")
        for n in range(5)
    )


def _number(value: float, share: bool) -> str:
    if share:
        return f"{100 * value:.0f} %"
    return f"{value:,.0f}" if value == round(value) or abs(value) >= 1_000 else f"{value:.3g}"


def _name(name: str, y: float) -> str:
    short = name if len(name) <= 26 else f"{name[:25]}…"
    return _text(LEFT - 8, y + 17, short, "end", name)


def _text(x: float, y: float, text: str, classes: str, title: str = "") -> str:
    told = f"<title>{escape(visible(title))}</title>" if title and title != text else ""
    return f'<text class="{classes}" x="{x:.1f}" y="{y:.1f}">{told}{escape(visible(text))}</text>'


def _rect(classes: str, x: float, y: float, width: float, height: float, title: str = "") -> str:
    told = f"<title>{escape(visible(title))}</title>" if title else ""
    where = f'x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{height:.1f}"'
    return f'<rect class="{classes}" {where}>{told}</rect>'


def _svg(height: float, parts: Sequence[str]) -> Markup:
    drawn = "".join(parts)  # escaped where it was made
    return Markup(
        f'<svg class="chart" viewBox="0 0 {WIDTH} {height:.0f}" role="img" '
        f'aria-label="chart; its numbers stand in the table below">{drawn}</svg>'
    )
