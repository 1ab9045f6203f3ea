"""How many tasks an evaluation has, without fetching them."""

from pathlib import Path

import pytest

from srft_assets.home import Home
from srft_assets.rollouts.cost import count_tasks
from srft_assets.tokens.evaluation import EvaluationSpec
from tests.trajectories.ingest_support import write_lines

VERIFIED = "SWE-bench/SWE-bench_Verified"


@pytest.mark.parametrize(
    ("stated", "count"),
    [
        ({"tasks": 7}, 7),
        ({"tasks": VERIFIED}, 500),
        ({"tasks": VERIFIED, "first": 20}, 20),
        ({"tasks": VERIFIED, "instances": ["a__b-1", "a__b-2"]}, 2),
        ({"tasks": VERIFIED, "where": "repo = 'a/b'"}, None),
        ({"tasks": "somebody/else"}, None),
    ],
)
def test_tasks_are_counted_where_they_are_known(
    stated: dict[str, object], count: int | None, home: Home
) -> None:
    assert count_tasks(EvaluationSpec.model_validate(stated), home) == count


def test_rows_that_are_here_are_read(home: Home, tmp_path: Path) -> None:
    rows = [
        {"instance_id": f"a__b-{n}", "repo": f"a/b{n % 2}", "problem_statement": "", "patch": ""}
        for n in range(5)
    ]
    file = write_lines(tmp_path / "rows.jsonl", rows)
    spec = EvaluationSpec(tasks=str(file), where="repo = 'a/b1'")
    assert count_tasks(spec, home) == 2
