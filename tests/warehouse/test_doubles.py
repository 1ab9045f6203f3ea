"""Runs that several batches hold are shown, counted, found and trained on once."""

import shutil
from pathlib import Path

import polars as pl
import pytest

from srft_assets.home import Home
from srft_assets.platform.schemas import SCHEMAS
from srft_assets.show.find import find_place
from srft_assets.tokens.arm import ArmSpec, TrainingSpec
from srft_assets.training.rows import select_rows
from srft_assets.warehouse.catalogue import build_catalogue
from srft_assets.warehouse.partitions import Warehouse
from srft_assets.warehouse.query import offending_rows, open_readonly, run_query, view_names
from srft_assets.warehouse.sql import counted_once, holders, sql_files
from tests.warehouse.conftest import filled
from tests.warehouse.filled import fill
from tests.warehouse.filled_ledger import fill_ledger

__all__ = ["filled"]

BY_BATCH = ("trajectories", "test_outcomes", "integrity", "step_verdicts/*", "masked_tokens/*")
OF_FILES = {
    *(
        "partitions",
        "asset_sizes",
        "quarantine",
        "quarantine_reasons",
        "duplicates",
        "critic_history",
        "verdict_versions",
    ),
    *("tokens_kept_by_batch", "latest", "made_from", "checkpoints", "demo_scores"),
}
"""Views and queries that speak of partitions and what was made when, not of runs."""


@pytest.fixture(scope="module")
def doubled(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The filled platform, with all runs of its batches in a further batch each."""
    home = Home(tmp_path_factory.mktemp("doubled"))
    warehouse = fill(home)
    fill_ledger(home)
    build_catalogue(home, SCHEMAS)
    for pattern in BY_BATCH:
        for path in warehouse.root.glob(f"{pattern}/*.parquet"):
            if not path.name.startswith("_"):
                shutil.copy(path, path.with_name(f"zz-{path.name}"))
    return home


def files(home: Home, asset: str) -> list[Path]:
    warehouse = Warehouse(home.warehouse)
    return [warehouse.path(asset, name) for name in warehouse.partitions(asset)]


def test_every_statistic_is_as_if_each_run_were_held_once(filled: Home, doubled: Home) -> None:
    with open_readonly(doubled) as connection:
        names = [*view_names(connection), *(file.name for file in sql_files("queries"))]
    asked = [name for name in names if name not in OF_FILES]
    assert {"runs", "steps", "labelled_steps", "tokens_kept", "critic_pairs"} < set(asked)
    for name in asked:
        once, twice = (
            run_query(home, name).select(pl.exclude("log")).sort(pl.all(), nulls_last=True)
            if name not in ("steps", "masked_tokens", "trajectories")
            else run_query(home, f"SELECT trajectory_id, batch FROM {name} ORDER BY ALL")
            for home in (filled, doubled)
        )
        assert twice.equals(once), name


@pytest.mark.parametrize(
    "name",
    ["trajectory_ids_unique", "outcomes_add_up", "steps_consecutive", "verdicts_cover_steps"],
)
def test_a_run_in_two_batches_breaks_no_invariant(doubled: Home, name: str) -> None:
    parameters = {"critic": "rules"} if name == "verdicts_cover_steps" else {}
    assert offending_rows(doubled, SCHEMAS, name, parameters).is_empty()


def test_a_critic_that_judged_only_the_later_batch_is_heard(tmp_path: Path) -> None:
    home = Home(tmp_path)
    warehouse = fill(home)
    build_catalogue(home, SCHEMAS)
    path = warehouse.path("step_verdicts/rules", "real")
    before = run_query(home, "label_shares_by_outcome").sort(pl.all())
    shutil.copy(warehouse.path("trajectories", "real"), warehouse.path("trajectories", "zz"))
    path.rename(path.with_name("zz.parquet"))
    assert run_query(home, "label_shares_by_outcome").sort(pl.all()).equals(before)


def test_such_a_run_is_found_where_it_counts(doubled: Home) -> None:
    held = holders(Warehouse(doubled.warehouse), ["real", "zz-real"])
    assert held
    for run, batch in held.items():
        assert (find_place(doubled, run).partition, batch) == ("real", "real")


def test_training_takes_such_a_run_once(filled: Home, doubled: Home) -> None:
    arm = ArmSpec(name="srft", training=TrainingSpec(max_length=10**6))
    once, twice = (
        select_rows(
            arm, [(path.stem, pl.read_parquet(path)) for path in files(h, "masked_tokens/srft")]
        )
        for h in (filled, doubled)
    )
    assert once.rows.height > 0
    assert twice.rows.equals(once.rows)
    assert twice.left_out == once.rows.height


def test_all_rows_of_a_run_come_from_one_batch_in_their_order() -> None:
    rows = pl.DataFrame(
        [("b", 2, 0), ("a", 2, 1), ("b", 1, 2), ("b", 1, 3), ("c", 3, 4)],
        schema=["trajectory_id", "batch", "n"],
        orient="row",
    )
    assert counted_once(rows)["n"].to_list() == [1, 2, 3, 4]
