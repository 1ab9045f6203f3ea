"""Hostile text made visible."""

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srft_assets.text import json_escaped, visible, visible_in_lines, visible_lines

HIDDEN = {
    "tags": "\U000e0001\U000e0041\U000e007f",
    "variation selectors": "a\ufe00\U000e0100\U000e01ef",
    "a selector without a symbol": "a\ufe0f",
    "soft hyphens": "\u00ad",
    "fillers": "\u115f\u1160\u3164\uffa0\u2800",
    "joiners": "\u034f\u200b\u200d\u2060\ufeff",
    "directions": "\u202e\u2066\u061c",
}


@pytest.mark.parametrize("shows", [visible, visible_in_lines, visible_lines])
@pytest.mark.parametrize("kind", HIDDEN)
def test_what_is_shown_as_nothing_is_made_visible(kind, shows):
    shown = shows(HIDDEN[kind])
    assert shown.isascii() and "\\u" in shown.lower()


def test_an_emoji_and_letters_of_any_script_stay():
    text = "1\ufe0f\u20e3 \u26a0\ufe0f \u2714\ufe0e \U0001f577\ufe0f 漢字 हिन्दी é"
    assert visible(text) == visible_in_lines(text) == text


def test_lines_and_tabs_stay_in_a_text_of_several_lines():
    assert visible_in_lines("a\r\n\tb\x1b[31m") == "a\n\tb␛[31m"


@given(st.text())
def test_escaped_json_says_the_same_and_hides_nothing(text):
    escaped = json_escaped(json.dumps(text, ensure_ascii=False))
    assert json.loads(escaped) == text
    assert not any(unicodedata.category(char) in ("Cc", "Cf") for char in escaped if char != "\n")
