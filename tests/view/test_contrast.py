"""Colours of the pages: every text on every ground it stands on, light and dark, at 4.5 to 1.

WCAG 2.2, success criterion 1.4.3: https://www.w3.org/TR/WCAG22/#contrast-minimum.
"""

import re
from pathlib import Path

import pytest

import srft_assets.view as view

CSS = (Path(view.__file__).parent / "static" / "view.css").read_text()
LABELS = ("good", "unnecessary", "mistake", "recover", "unlabeled")
GROUNDS = ("page", "panel", "raised", "code", "cursor-back")
PAIRS = [
    *((text, ground) for text in ("text", "dim", "link") for ground in GROUNDS),
    *((label, f"{label}-back") for label in LABELS),
    *(("add", "add-back"), ("del", "del-back"), ("hunk", "code"), ("on-accent", "accent")),
    *((f"a{number}", "code") for number in range(8)),
    *(("unnecessary", "raised"), ("unnecessary", "cursor-back"), ("mistake", "raised")),
    *(("good", "raised"), ("text", "mark")),
]


def themes() -> dict[str, dict[str, str]]:
    light, dark = re.findall(r":root \{(.*?)\}", CSS, re.DOTALL)
    return {
        name: dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))
        for name, block in (("light", light), ("dark", dark))
    }


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_text_can_be_read_on_its_ground(theme: str) -> None:
    colours = themes()[theme]
    for text, ground in PAIRS:
        bright, dim = sorted((luminance(colours[text]), luminance(colours[ground])), reverse=True)
        ratio = (bright + 0.05) / (dim + 0.05)
        assert ratio >= 4.5, f"{text} on {ground}: {ratio:.2f}"


def test_both_themes_name_the_same_colours() -> None:
    light, dark = themes().values()
    assert light.keys() == dark.keys()
