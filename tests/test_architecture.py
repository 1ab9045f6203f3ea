"""docs/architecture.md: what it names is there."""

import re

import pytest

from srft_assets.home import CHECKOUT

PAGE = (CHECKOUT / "docs" / "architecture.md").read_text(encoding="utf-8")
PACKAGE = CHECKOUT / "srft_assets"


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`([\w/]+(?:\.py|/))(?::\w+)?`", PAGE))))
def test_every_path_exists(path: str):
    assert (PACKAGE / path).exists() or (CHECKOUT / path).exists()


def test_twenty_questions_have_an_answer():
    answers = re.findall(
        r"^\| where[^|]*\? \| `(.*?)` \|$|^\| (?:who|what)[^|]*\? \| `(.*?)` \|$", PAGE, re.M
    )
    assert len(answers) == 20
