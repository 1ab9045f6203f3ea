"""The figures of a comparison and of a critic's scores, on fixed input, as version 0.1 gave them.

`golden.json` holds every number of the tables. Another library or another layout of the code must
give the same; a change of method writes the file again, and says so:
`python -m tests.compare.test_kept_figures`.
"""

import json
from pathlib import Path
from random import Random
from typing import Any

import polars as pl
import pytest

from srft_assets.compare import compare_arms
from srft_assets.compare.difference import holm, mcnemar
from srft_assets.compare.rates import pass_at_k, wilson_interval
from srft_assets.critic.scores import scores
from srft_assets.critic.spec import LABELS

GOLDEN = Path(__file__).with_name("golden.json")
CHANCES = {"rft": 0.5, "sft": 0.3, "srft": 0.6, "rft_long": 0.5}
SHAPES = {
    "one attempt a task": (40, 1, 1),
    "three seeds": (30, 3, 1),
    "two attempts at a task": (12, 1, 2),
    "seeds and attempts": (9, 2, 4),
}
"""Tasks, seeds, attempts."""


def attempts(tasks: int, seeds: int, tries: int) -> pl.DataFrame:
    """Attempts of four arms, some without a grade."""
    rng = Random(7)
    rows = [
        {"arm": arm, "seed": seed, "instance_id": f"t{task}", "resolved": _drawn(rng, chance, task)}
        for arm, chance in CHANCES.items()
        for seed in range(seeds)
        for task in range(tasks)
        for _ in range(tries)
    ]
    return pl.DataFrame(rows)


def _drawn(rng: Random, chance: float, task: int) -> bool | None:
    return None if rng.random() < 0.02 else rng.random() < chance + (task % 5 - 2) / 10


def labels() -> tuple[pl.DataFrame, pl.DataFrame]:
    """Gold labels of two annotators in two sets, and a critic's verdicts."""
    rng, names = Random(11), [str(label) for label in LABELS]
    gold, verdicts = [], []
    for run in range(12):
        for step in range(rng.randint(3, 9)):
            truth = rng.choice(names)
            said = truth if rng.random() < 0.6 else rng.choice([*names, "unlabeled"])
            where = {"trajectory_id": f"r{run}", "step_index": step}
            verdicts.append({**where, "label": said})
            for annotator in ("ann", "bob"):
                given = truth if rng.random() < 0.85 else rng.choice(names)
                name = "one" if run == 0 else "people"
                gold.append({"set": name, **where, "label": given, "annotator": annotator})
    return pl.DataFrame(gold), pl.DataFrame(verdicts)


def figures() -> dict[str, Any]:
    """Every number that the tests below hold."""
    compared = {}
    for name, shape in SHAPES.items():
        for against in (None, "rft"):
            found = compare_arms(attempts(*shape), against=against)
            compared[f"{name}, against {against or 'each other'}"] = {
                "arms": found.arms.to_dicts(),
                "pairs": found.pairs.to_dicts(),
                "notes": list(found.notes),
            }
    sizes = [(0, 1), (1, 1), (0, 25), (7, 25), (25, 25), (213, 500)]
    return {
        "comparisons": compared,
        "critic scores": scores(*labels()).to_dicts(),
        "wilson": [wilson_interval(*size, level) for size in sizes for level in (0.9, 0.95)],
        "mcnemar": [mcnemar(a, b) for a in (0, 1, 5, 17, 200) for b in (0, 3, 40)],
        "holm": holm([0.04, None, 0.001, 0.03, 0.9, 0.03]),
        "pass@k": [pass_at_k(8, solved, k) for solved in (0, 1, 3, 8) for k in (1, 2, 5, 8)],
    }


def told(value: Any) -> Any:
    """The value as JSON keeps it."""
    return json.loads(json.dumps(value))


def compare_trees(found: Any, wanted: Any, where: str = "") -> None:
    """Equal texts and counts, and floats equal to 12 digits."""
    if isinstance(wanted, dict):
        assert list(found) == list(wanted), where
        for key in wanted:
            compare_trees(found[key], wanted[key], f"{where}/{key}")
    elif isinstance(wanted, list):
        assert len(found) == len(wanted), where
        for place, one in enumerate(wanted):
            compare_trees(found[place], one, f"{where}/{place}")
    elif isinstance(wanted, float):
        assert found == pytest.approx(wanted, rel=1e-12, abs=1e-15), where
    else:
        assert found == wanted, where


def test_all_figures_are_those_that_were_written_down() -> None:
    compare_trees(told(figures()), json.loads(GOLDEN.read_bytes()))


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(told(figures()), separators=(",", ":")) + "\n")
