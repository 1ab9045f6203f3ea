"""`srft stats` on one page."""

import io

import pytest
from rich.console import Console

from srft_assets.home import Home
from srft_assets.stats import stats


def page(home: Home, width: int = 110) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(stats(home))
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_an_empty_platform_says_how_to_begin(home: Home) -> None:
    assert page(home).strip() == "nothing yet: srft ingest PATH, or make demo"


def test_an_empty_warehouse_says_how_to_begin(empty: Home) -> None:
    assert page(empty).strip() == "nothing yet: srft ingest PATH, or make demo"


def test_the_page_shows_partitions_outcomes_labels_tokens_and_scores(filled: Home) -> None:
    shown = page(filled)
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    assert "all 2 batches 1 1 1 1" in lines
    assert any(line.startswith("rules good") and line.endswith("6 50.0%") for line in lines)
    assert "all 2 batches 4 0 32 16 40 66.7%" in lines
    assert any("5 of 7 71.4% 35.9% – 91.8% 2 1" in line for line in lines)
    assert all(len(line) <= 110 for line in shown.splitlines())


@pytest.mark.parametrize(("width", "shown"), [(110, "█" * 14 + "▎"), (70, "███████▉")])
def test_a_bar_stays_in_one_line_where_there_is_less_room(filled: Home, width, shown) -> None:
    (line,) = [line for line in page(filled, width).splitlines() if "5 of 7" in line]
    assert line.split()[:2] == ["srft", shown]


def test_hostile_text_reaches_no_terminal(filled: Home) -> None:
    shown = page(filled)
    assert "\x1b" not in shown and "␛[31m" in shown
