"""The chain on generated tasks, with the smallest training: what is exact of it, and plans."""

import json
from pathlib import Path
from typing import Any

import pytest

from srft_assets.sandbox import Sandbox
from tests.golden.golden import compare
from tests.golden.product import Product

pytestmark = [pytest.mark.golden, pytest.mark.timeout(900)]

SMALL = """training: {max_steps: 2, batch_size: 2}
evaluation: {tasks: 2, step_limit: 4, max_new_tokens: 16}
"""
ARMS = {"rft": f"runs: resolved\n{SMALL}", "srft": f"runs: all\ncritic: rules\n{SMALL}"}
FLOATING = ("checkpoints/", "eval_scores/", "eval_trajectories/", "comparison/")
"""Assets whose content hangs on floating point, and so on the machine."""
TRAINED = {
    "checkpoints": "SELECT arm, seed, base_model, method, steps, rows, tokens, trained_tokens, "
    "len(loss_curve) AS points, round(final_loss, 1) AS loss FROM checkpoints ORDER BY ALL",
    "evaluations": "SELECT arm, seed, instance_id FROM eval_scores ORDER BY ALL",
    "comparison": "SELECT arm, against, tasks, seeds, pairs, test FROM comparison ORDER BY ALL",
    "gold": "SELECT gold_set, label, count(*) AS steps FROM gold_labels GROUP BY ALL ORDER BY ALL",
}
SCHEMAS = ("checkpoints", "eval_scores", "eval_trajectories", "eval_steps", "comparison")


@pytest.fixture(scope="module")
def lab(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Product:
    """Four generated runs, two arms trained for two steps."""
    product = Product.copy(tmp_path_factory.mktemp("lab"))
    product.arms(ARMS)
    product.srft("demo", "--runs", "4")
    return product


def test_partitions_of_generated_runs(lab: Product):
    found = lab.partitions()
    exact = {name: told for name, told in found.items() if not name.startswith(FLOATING)}
    rest = sorted(found.keys() - exact.keys())
    compare("lab-partitions", {"exact": exact, "floating": rest})


def test_what_is_exact_of_training(lab: Product):
    answers = iter(lab.sql(*TRAINED.values(), *(f"DESCRIBE {name}" for name in SCHEMAS)))
    kept: dict[str, Any] = dict(zip(TRAINED, answers, strict=False))
    for name, columns in zip(SCHEMAS, answers, strict=True):
        kept[f"columns of {name}"] = [f"{c['column_name']} {c['column_type']}" for c in columns]
    compare("lab-training", kept)


def test_the_plan_before_and_after_edits(lab: Product, tmp_path: Path):
    found = {"before": lab.plan()}
    for name, old, new in (
        ("training", "max_steps: 2", "max_steps: 3"),
        ("evaluation", "step_limit: 4", "step_limit: 5"),
    ):
        product = lab.again(tmp_path / name)
        product.edit(product.defs / "arms" / "srft" / "defs.yaml", old, new)
        found[name] = product.plan()
    compare("lab-plan", found)


def test_the_comparison(lab: Product):
    rows = json.loads(lab.srft("compare", "--format", "json"))
    compare("lab-compare", [sorted(row) for row in rows])
