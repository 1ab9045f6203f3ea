"""Two versions of a critic beside each other, where history names a run twice."""

from typing import Any

from srft_assets.critic.scores import Version, label_changes, shared_steps
from srft_assets.critic.verdict import STEP_VERDICTS
from srft_assets.home import Home
from srft_assets.warehouse.partitions import Warehouse
from tests.warehouse.conftest import empty
from tests.warehouse.filled import keep
from tests.warehouse.filled_frames import framed

__all__ = ["empty"]


def verdicts(labels: list[str], version: str = "v1", run: str = "a__b-1.0") -> Any:
    rows = [
        {"trajectory_id": run, "step_index": index, "label": label}
        | {"reason": "r", "rule": "x", "version": version}
        for index, label in enumerate(labels)
    ]
    return framed(rows, STEP_VERDICTS)


def test_a_run_that_moved_to_another_batch_is_compared_once(empty: Home) -> None:
    """History keeps the verdicts of the batch that held it before."""
    warehouse = Warehouse(empty.warehouse)
    for batch in ("before", "now"):
        keep(warehouse, f"verdict_versions/a/{batch}", verdicts(["good", "mistake"]))
        keep(warehouse, f"verdict_versions/z/{batch}", verdicts(["good", "good"], "v2"))
    one, other = Version("a", "v1"), Version("z", "v2")
    assert shared_steps(empty, one, other) == 2
    assert label_changes(empty, one, other)["step_index"].to_list() == [1]
