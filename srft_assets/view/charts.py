"""Drawings as inline SVG, made here: pages run no script for them, and hold no style."""

from itertools import groupby

from markupsafe import Markup

NAMES = {"g": "good", "u": "unnecessary", "m": "mistake", "r": "recover", "-": "unlabeled", " ": ""}
HEIGHTS = {"g": 5, "u": 9, "m": 16, "r": 12, "-": 2, " ": 0}
"""A label differs from another by its height as well as by its colour."""


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
