"""The rows that an arm will have: told by its masks where they are made, else by its runs."""

from pathlib import Path

import polars as pl

from srft_assets.home import Home
from srft_assets.tokens.arm import ArmSpec
from srft_assets.tokens.estimate import NO_RUNS, NOT_GRADED, NOT_MASKED, estimate
from srft_assets.warehouse.partitions import Warehouse
from tests.training.conftest import put

RUNS = pl.DataFrame({"trajectory_id": [str(n) for n in range(10)]})


def batch(home: Home, name: str, **outcomes: int) -> None:
    """Ten runs of 8,000 characters together, and their outcomes, if any."""
    put(home, "trajectories", name, RUNS, characters=8000)
    if outcomes:
        put(home, "test_outcomes", name, RUNS, **outcomes)


def test_masks_that_are_made_are_counted_and_the_rest_is_told_from_characters(home: Home) -> None:
    arm, warehouse = ArmSpec(name="srft"), Warehouse(home.warehouse)
    batch(home, "one", resolved=4, unresolved=6)
    batch(home, "two", resolved=4, unresolved=6)
    put(home, "masked_tokens/srft", "two", RUNS[:8], tokens=900, tokens_trained=300)
    both = estimate(arm, warehouse, ("*",))
    assert (both.rows, both.tokens, both.trained) == (18, 2000 + 900, 300)
    assert both.unknown == {"trained": NOT_MASKED} and len(both.basis) == 1
    made = estimate(arm, warehouse, ("two",))
    assert (made.rows, made.tokens, made.trained) == (8, 900, 300)
    assert made.unknown == {} and made.basis == ()


def test_an_arm_has_the_runs_of_its_outcomes(home: Home) -> None:
    warehouse = Warehouse(home.warehouse)
    batch(home, "one", resolved=4, unresolved=2, empty_patch=3, unknown=1)
    for runs, count in (("all", 10), ("resolved", 4), ("unresolved", 5)):
        found = estimate(ArmSpec(name="a", runs=runs), warehouse, ("*",))
        assert (found.rows, found.tokens) == (count, count * 800 // 4)


def test_what_is_not_graded_or_not_there_is_unknown(home: Home, tmp_path: Path) -> None:
    batch(home, "one")
    ungraded = estimate(ArmSpec(name="a", runs="resolved"), Warehouse(home.warehouse), ("*",))
    assert (ungraded.rows, ungraded.unknown["rows"]) == (0, NOT_GRADED)
    nothing = estimate(ArmSpec(name="a"), Warehouse(tmp_path), ("*",))
    assert (nothing.rows, nothing.unknown["rows"]) == (0, NO_RUNS)
