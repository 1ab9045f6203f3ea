"""Which tasks an arm knows from its training."""

from collections.abc import Sequence

import polars as pl

from srft_assets.outcomes.dataset import read_dataset
from srft_assets.outcomes.grader_choice import known_rows
from srft_assets.outcomes.task import TaskInstance
from srft_assets.rollouts.task_set import source_of
from srft_assets.tokens.arm import ArmSpec
from srft_assets.warehouse.partitions import Warehouse
from srft_assets.warehouse.stage import Work


def trained_on(arm: str, seed: str, warehouse: Warehouse) -> frozenset[str] | None:
    """Instance ids of the runs that `checkpoints/<arm>/<seed>` took tokens with loss from.

    They are read from the masked tokens that its stamp names. None where some of these are gone:
    then nobody knows. Runs of no known task tell nothing.
    """
    stamp = warehouse.stamp(f"checkpoints/{arm}", seed)
    if stamp is None:
        return None
    tokens = f"masked_tokens/{arm}"
    found: set[str] = set()
    for key in stamp.recipe.inputs:
        asset, _, batch = key.rpartition("/")
        if asset != tokens:
            continue
        if warehouse.stamp(tokens, batch) is None:
            return None
        rows = warehouse.read(tokens, batch, columns=["instance_id", "n_trained"])
        found.update(rows.filter(pl.col("n_trained") > 0)["instance_id"].drop_nulls())
    return frozenset(found - {"unknown"})


def contaminated(
    arm: ArmSpec, tasks: Sequence[TaskInstance], trained: frozenset[str] | None, work: Work
) -> frozenset[str] | None:
    """Ids of the tasks that the arm was trained on, or on another of the same repository and
    commit: by the rows of the data set itself, and by those that batches were played from or graded
    by. None where nobody knows what it was trained on."""
    if trained is None or not arm.evaluation.of_rows:
        return trained
    source = source_of(arm.evaluation, work.home)
    rows = list(read_dataset(source, trained, arm.evaluation.split).values())
    stamp = work.warehouse.stamp(f"checkpoints/{arm.name}", work.partition)
    for key in stamp.recipe.inputs if stamp else ():
        asset, _, batch = key.rpartition("/")
        if asset == f"masked_tokens/{arm.name}":
            rows += known_rows(work.home, batch).values()
    seen = {(row.repo, row.base_commit) for row in rows if row.instance_id in trained}
    return frozenset(
        task.instance_id
        for task in tasks
        if task.instance_id in trained or (task.repo, task.base_commit) in seen
    )
