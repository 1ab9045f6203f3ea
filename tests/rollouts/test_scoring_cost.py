"""How many tasks an evaluation has, without fetching them."""

from pathlib import Path

import pytest

from srft_assets.home import Home
from srft_assets.rollouts.cost import count_tasks, scoring_cost
from srft_assets.tokens.arm import ArmSpec
from srft_assets.tokens.evaluation import EvaluationSpec
from srft_assets.warehouse.partitions import Warehouse
from srft_assets.warehouse.stage import Planned
from tests.trajectories.ingest_support import write_lines

MORE = {"base_commit": "c", "test_patch": "", "FAIL_TO_PASS": [], "PASS_TO_PASS": []}
VERIFIED = "SWE-bench/SWE-bench_Verified"


@pytest.mark.parametrize(
    ("stated", "count"),
    [
        ({"tasks": 7}, 7),
        ({"tasks": VERIFIED}, 500),
        ({"tasks": VERIFIED, "first": 20}, 20),
        ({"tasks": VERIFIED, "instances": ["a__b-1", "a__b-2"]}, 2),
    ],
)
def test_tasks_are_counted_where_they_are_known(
    stated: dict[str, object], count: int, home: Home
) -> None:
    assert count_tasks(EvaluationSpec.model_validate(stated), home) == count


@pytest.mark.parametrize("stated", [{"tasks": VERIFIED, "where": "x"}, {"tasks": "somebody/else"}])
def test_rows_that_are_elsewhere_are_not_fetched_for_a_plan(
    stated: dict[str, object], home: Home
) -> None:
    arm = ArmSpec(name="a", evaluation=stated)
    cost = scoring_cost(arm, Planned(home, Warehouse(home.warehouse), "0", None, None))
    told = f"the rows of {stated['tasks']} are not on this machine yet"
    assert (cost.rollouts, cost.unknown["rollouts"]) == (0, told)


def test_rows_that_are_here_are_read(home: Home, tmp_path: Path) -> None:
    rows = [
        {"instance_id": f"a__b-{n}", "repo": f"a/b{n % 2}", "problem_statement": "", "patch": ""}
        | MORE
        for n in range(5)
    ]
    file = write_lines(tmp_path / "rows.jsonl", rows)
    spec = EvaluationSpec(tasks=str(file), where="repo = 'a/b1'")
    assert count_tasks(spec, home) == 2
