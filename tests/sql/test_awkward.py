"""Statistics where critics keep silent, runs have no outcome, and history names a run twice."""

from typing import Any

from srft_assets.critic.scores import Version, label_changes, shared_steps
from srft_assets.critic.verdict import STEP_VERDICTS
from srft_assets.home import Home
from srft_assets.warehouse.partitions import Warehouse
from srft_assets.warehouse.query import run_query
from tests.warehouse.conftest import empty
from tests.warehouse.filled import keep, put
from tests.warehouse.filled_frames import framed

__all__ = ["empty"]


def verdicts(labels: list[str], version: str = "v1", run: str = "a__b-1.0") -> Any:
    rows = [
        {"trajectory_id": run, "step_index": index, "label": label}
        | {"reason": "r", "rule": "x", "version": version}
        for index, label in enumerate(labels)
    ]
    return framed(rows, STEP_VERDICTS)


def test_critics_that_keep_silent_do_not_agree(empty: Home) -> None:
    """Of four steps both label two: one alike; by chance (1·0 + 1·2) / 4 would be."""
    warehouse = Warehouse(empty.warehouse)
    silent = "unlabeled"
    put(warehouse, "step_verdicts/a", "b", verdicts(["good", "mistake", silent, silent]))
    put(warehouse, "step_verdicts/z", "b", verdicts(["mistake", "mistake", silent, "good"]))
    figures = "steps, agreed, agreement, by_chance, kappa"
    found = run_query(empty, f"SELECT {figures} FROM critic_agreement")
    assert found.rows() == [(2, 1, 0.5, 0.5, 0.0)]
    assert run_query(empty, "disagreements")["step_index"].to_list() == [0]


def test_a_run_that_moved_to_another_batch_is_compared_once(empty: Home) -> None:
    """History keeps the verdicts of the batch that held it before."""
    warehouse = Warehouse(empty.warehouse)
    for batch in ("before", "now"):
        keep(warehouse, f"verdict_versions/a/{batch}", verdicts(["good", "mistake"]))
        keep(warehouse, f"verdict_versions/z/{batch}", verdicts(["good", "good"], "v2"))
    one, other = Version("a", "v1"), Version("z", "v2")
    assert shared_steps(empty, one, other) == 2
    assert label_changes(empty, one, other)["step_index"].to_list() == [1]


def test_a_rule_is_not_blamed_for_the_grader_s_failure(filled: Home) -> None:
    """Of 12 steps of each critic 4 are of a resolved run, 7 of failed ones, 1 of neither."""
    found = run_query(filled, "rules_by_outcome")
    columns = ("steps", "in_resolved_runs", "in_failed_runs")
    assert [found[name].sum() for name in columns] == [24, 8, 14]
