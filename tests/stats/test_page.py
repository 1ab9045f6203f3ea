"""`srft stats` on one page."""

import io

import polars as pl
import pytest
from rich.console import Console

from srft_assets.home import Home
from srft_assets.platform.schemas import SCHEMAS
from srft_assets.platform.stats import stats
from srft_assets.warehouse.catalogue import build_catalogue
from srft_assets.warehouse.query import run_query
from tests.sql.uneven import build
from tests.warehouse.filled import fill, put
from tests.warehouse.filled_frames import eval_scores


def page(home: Home, width: int = 110) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(stats(home))
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_an_empty_platform_says_how_to_begin(home: Home) -> None:
    assert page(home).strip() == "nothing yet: srft ingest PATH, or srft demo"


def test_an_empty_warehouse_says_how_to_begin(empty: Home) -> None:
    assert page(empty).strip() == "nothing yet: srft ingest PATH, or srft demo"


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


def test_an_arm_that_nobody_graded_is_not_shown_as_the_best(home: Home) -> None:
    warehouse = fill(home)
    ungraded = eval_scores("sft", "0").with_columns(
        status=pl.lit("infra_error"), resolved=pl.lit(None, pl.Boolean)
    )
    put(warehouse, "eval_scores/broken", "0", ungraded)
    build_catalogue(home, SCHEMAS)
    assert run_query(home, "demo_scores")["arm"].to_list() == ["broken", "sft", "srft"]
    lines = page(home).partition("Held-out tasks")[2].splitlines()
    assert [line.split()[0] for line in lines[2:5]] == ["broken", "sft", "srft"]


def test_steps_that_a_critic_was_never_asked_about_are_told_apart(home: Home) -> None:
    build(home)
    lines = [line.split() for line in page(home).splitlines()]
    assert ["never", "asked", "12", "·"] in lines and ["never", "asked", "8", "·"] in lines
    (unanswered,) = [line for line in lines if line[:1] == ["unlabeled"] and "4" in line]
    assert unanswered[-1] == "36.4%"


def test_hostile_text_reaches_no_terminal(filled: Home) -> None:
    shown = page(filled)
    assert "\x1b" not in shown and "␛[31m" in shown
