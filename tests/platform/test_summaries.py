"""`srft status` adds up what partitions say; `srft ls` counts their rows. They agree."""

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from srft_assets.cli.platform import refresh_catalogue
from srft_assets.home import Home
from srft_assets.platform.overview import NAMED, listing, names_of, overview
from srft_assets.platform.stages import load_stages
from srft_assets.platform.summaries import held_once, summaries
from srft_assets.trajectories.batches import batch_names
from srft_assets.trajectories.ingest import ingest
from srft_assets.warehouse.making import make_partition, work_alone
from srft_assets.warehouse.partitions import Warehouse
from tests.trajectories.ingest_support import run_of, write_lines
from tests.warehouse.filled import fill

STAGES = load_stages()
MADE = (
    *("trajectories", "test_outcomes", "integrity", "step_verdicts/rules"),
    "masked_tokens/srft",
)


@pytest.fixture
def home(home: Home) -> Home:
    """Three runs in two batches, one run resolved, judged by the rules and masked for an arm."""
    rows = [run_of(name) for name in ("a", "b", "c")]
    rows[0]["resolved"] = True
    for name, some in (("one", rows[:2]), ("two", rows[2:])):
        ingest(home, [write_lines(home.root / "runs" / f"{name}.jsonl", some)], batch=name)
    make(home, "base_models/tiny")
    for batch in batch_names(home):
        make(home, *MADE, batch=batch)
    refresh_catalogue(home)
    return home


def make(home: Home, *assets: str, batch: str = "all") -> None:
    for asset in assets:
        make_partition(STAGES[asset], work_alone(STAGES[asset], home, batch))


def names(home: Home, listed: str) -> list[str]:
    return batch_names(home) if listed == "batches" else names_of(STAGES, listed)


def added_up(home: Home, listed: str) -> pl.DataFrame | None:
    known = {name: names(home, name) for name in NAMED}
    return summaries(home, Warehouse(home.warehouse), known)[listed]


@pytest.mark.parametrize("listed", NAMED)
def test_what_partitions_say_adds_up_to_what_their_rows_count(home: Home, listed: str) -> None:
    assert held_once(Warehouse(home.warehouse))
    told = added_up(home, listed)
    assert told is not None
    assert_frame_equal(told, listing(home, STAGES, listed))


def test_f1_is_that_of_the_largest_gold_set_that_has_one(home: Home) -> None:
    make(home, "gold_labels", "critic_scores/rules")
    asset, warehouse = "critic_scores/rules", Warehouse(home.warehouse)
    of_mistakes = {"question": "label", "target": "mistake"}
    rows = [
        {**of_mistakes, "set": "small", "steps": 5, "f1": 0.5},
        {**of_mistakes, "set": "middle", "steps": 20, "f1": 0.25},
        {**of_mistakes, "set": "large", "steps": 90, "f1": None},
    ]
    frame = pl.DataFrame(rows, schema=STAGES[asset].schema)
    warehouse.write(asset, "all", frame, warehouse.stamp(asset))
    refresh_catalogue(home)
    told = added_up(home, "critics")
    assert told.filter(critic="rules").select("gold_set", "f1").row(0) == ("middle", 0.25)
    assert_frame_equal(told, listing(home, STAGES, "critics"))


def test_a_run_that_two_batches_hold_is_counted_once(home: Home) -> None:
    again = write_lines(home.root / "runs" / "again.jsonl", [run_of("b"), run_of("d")])
    ingest(home, [again], batch="three")
    make(home, *MADE, batch="three")
    assert not held_once(Warehouse(home.warehouse))
    told = overview(home, STAGES)
    assert told.critics.filter(critic="rules")["runs"].to_list() == [4]
    assert told.arms.filter(arm="srft")["rows"].to_list() == [4]


def test_verdicts_of_other_runs_than_the_batch_holds_now_do_not_count(home: Home) -> None:
    changed = write_lines(home.root / "runs" / "one.jsonl", [run_of("a")])
    ingest(home, [changed], batch="one")
    make(home, "trajectories", batch="one")
    assert added_up(home, "critics") is None
    assert added_up(home, "batches") is None, "its outcomes are behind"
    assert overview(home, STAGES).critics.filter(critic="rules")["runs"].to_list() == [2]


def test_partitions_that_say_nothing_of_themselves_are_counted(tmp_path) -> None:
    home = Home(tmp_path / "other")
    fill(home)
    refresh_catalogue(home)
    told = overview(home, STAGES)
    for listed, frame in (("critics", told.critics), ("arms", told.arms)):
        assert added_up(home, listed) is None
        assert_frame_equal(frame, listing(home, STAGES, listed))
