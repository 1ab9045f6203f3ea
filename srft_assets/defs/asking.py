"""The job that asks for what is made only when it is named: critics that no arm needs, controls."""

import dagster as dg
from pydantic import Field

from srft_assets.components.partitioning import name_of, partitions_of
from srft_assets.components.platform import Platform
from srft_assets.errors import SrftError
from srft_assets.seeds import asked_seeds
from srft_assets.stages import load_stages
from srft_assets.text import some
from srft_assets.trajectories.batches import batch_names
from srft_assets.warehouse.partitions import matching
from srft_assets.warehouse.stage import unasked, with_upstream


class Wanted(dg.Config):
    """What is asked for, with all that it needs."""

    assets: list[str] = Field(description="as step_verdicts/strict or checkpoints/random_mask")
    batches: list[str] = Field(["*"], description="shell patterns of batches; `!` leaves out")


@dg.op(description="Add the partitions of what is wanted. It makes nothing and costs nothing.")
def add_partitions(context: dg.OpExecutionContext, config: Wanted, platform: Platform) -> None:
    """The batches that fit and the seeds that were asked for, where others need none of it.

    Raises SrftError for batches that are not there, UsageError for unknown assets.
    """
    home, stages = platform.home(), load_stages()
    known, needed = batch_names(home), unasked(stages)
    batches = matching(known, config.batches)
    if not batches:
        raise SrftError(f"batches ({', '.join(config.batches)}) fits none of: {some(known)}")
    for key, stage in with_upstream(stages, config.assets).items():
        if key not in needed and (kind := name_of(partitions_of(stage, needed))):
            names = asked_seeds(home) if stage.partitioned_by == "seed" else batches
            context.instance.add_dynamic_partitions(kind, names)
            context.log.info(f"{key}: {some(names)}")


@dg.job(
    description="Ask for what Materialize all leaves out: verdicts of a critic that no arm needs, "
    "as step_verdicts/strict, or a control, as checkpoints/random_mask. They get the partitions "
    "of these batches, and of the seeds that were asked for; then materialize them."
)
def ask_for() -> None:
    """One op."""
    add_partitions()


defs = dg.Definitions(jobs=[ask_for])
