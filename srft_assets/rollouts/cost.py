"""What scoring a checkpoint takes, told before it begins: attempts, steps, tokens, disk."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import polars as pl

from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.project.settings import settings
from srft_assets.rollouts.task_set import is_here, task_set
from srft_assets.tokens.arm import ArmSpec
from srft_assets.tokens.estimate import CHARACTERS_A_TOKEN, NO_RUNS
from srft_assets.tokens.evaluation import EvaluationSpec
from srft_assets.trajectories.batches import family_of
from srft_assets.warehouse.cost import Cost
from srft_assets.warehouse.partitions import Warehouse, matching
from srft_assets.warehouse.stage import Planned

PUBLISHED = {
    "SWE-bench/SWE-bench": 2294,
    "SWE-bench/SWE-bench_Lite": 300,
    "SWE-bench/SWE-bench_Multilingual": 300,
    "SWE-bench/SWE-bench_Verified": 500,
}
"""Rows of the split `test` of data sets that may not be on this machine yet."""
IMAGES = ("docker", "podman", "apptainer")
"""Environments that keep the images of tasks on this machine."""
NO_RATE = "costs.served_tokens of srft.yaml says what a GPU that serves the model reads and writes"


@dataclass(frozen=True, slots=True)
class Recorded:
    """Runs of the batches that an arm is trained on: their number, the median of their steps, and
    of one run on the average the characters and the bytes on disk."""

    runs: int
    steps: float
    characters: float
    size: float


def scoring_cost(arm: ArmSpec, planned: Planned) -> Cost:
    """Of one evaluation from its beginning, by the steps of runs that were recorded."""
    spec, chosen = arm.evaluation, settings().costs
    known = recorded(planned, arm.training.batches)
    unknown: dict[str, str] = {}
    basis: tuple[str, ...] = ()
    try:
        rollouts = count_tasks(spec, planned.home) * spec.attempts
    except SrftError as error:
        rollouts = 0
        unknown |= dict.fromkeys(("rollouts", "steps", "tokens", "disk"), str(error))
    if known is None:
        unknown |= dict.fromkeys(("steps", "tokens", "disk"), NO_RUNS)
    else:
        basis = (
            f"A rollout has {known.steps:g} steps, the median of {known.runs:,} recorded runs, and "
            "reads and writes the tokens of one of them, each once.",
        )
    if known and spec.where_played in IMAGES:
        unknown["disk"] = "the images of tasks are not counted"
    tokens = round(rollouts * known.characters / CHARACTERS_A_TOKEN) if known else 0
    if not spec.embedded and chosen.served_tokens is None:
        unknown["gpu_hours"] = NO_RATE
    return Cost(
        rollouts=rollouts,
        steps=round(rollouts * known.steps) if known else 0,
        tokens=tokens,
        gpu_hours=tokens / chosen.served_tokens / 3600 if chosen.served_tokens else 0.0,
        disk=round(rollouts * known.size) if known else 0,
        unknown=unknown,
        basis=basis,
    )


def count_tasks(spec: EvaluationSpec, home: Home) -> int:
    """How many tasks an evaluation has.

    Raises SrftError where its rows are elsewhere and not well known, or are not sound.
    """
    if not spec.of_rows:
        return int(spec.tasks)
    if spec.instances:
        return len(set(spec.instances))
    if is_here(spec, home):
        return _count(spec.model_dump_json(exclude_unset=True), home)
    rows = PUBLISHED.get(str(spec.tasks))
    if rows is None or spec.where is not None:
        raise SrftError(f"the rows of {spec.tasks} are not on this machine yet")
    return min(rows, spec.first or rows)


@lru_cache(maxsize=64)
def _count(spec: str, home: Home) -> int:
    return len(task_set(EvaluationSpec.model_validate_json(spec), home))


def recorded(planned: Planned, batches: Sequence[str]) -> Recorded | None:
    """The runs of the batches that match; None where there are none."""
    warehouse, family = planned.warehouse, family_of(planned.home)
    names = matching(warehouse.partitions("trajectories"), batches, family)
    stamps = [(name, warehouse.stamp("trajectories", name)) for name in names]
    there = {name: stamp for name, stamp in stamps if stamp and stamp.rows}
    runs = sum(stamp.rows for stamp in there.values())
    if not runs:
        return None
    paths = (warehouse.path("trajectories", name) for name in there)
    seen = tuple((name, stamp.data_version) for name, stamp in there.items())
    return Recorded(
        runs=runs,
        steps=_median_steps(warehouse.root, seen),
        characters=sum(stamp.figures.get("characters", 0) for stamp in there.values()) / runs,
        size=sum(path.stat().st_size for path in paths) / runs,
    )


@lru_cache(maxsize=16)
def _median_steps(root: Path, seen: tuple[tuple[str, str], ...]) -> float:
    warehouse = Warehouse(root)
    steps = [warehouse.read("trajectories", name, ["n_steps"])["n_steps"] for name, _ in seen]
    return float(pl.concat(steps).median() or 0)  # type: ignore[arg-type]  # of numbers
