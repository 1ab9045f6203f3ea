"""Jobs: named selections of the graph, and one that asks for what Materialize all leaves out."""

import dagster as dg
from pydantic import Field

from srft_assets.components.asset import ON_REQUEST
from srft_assets.components.partitioning import BATCHES, PARTITIONS, name_of, partitions_of
from srft_assets.components.platform import Platform
from srft_assets.errors import SrftError
from srft_assets.platform.stages import load_stages
from srft_assets.seeds import asked_seeds
from srft_assets.text import some
from srft_assets.trajectories.batches import batch_names, family_of
from srft_assets.warehouse.partitions import matching
from srft_assets.warehouse.stage import unasked, with_upstream

BY_BATCH = dg.AssetSelection.assets("trajectories", "test_outcomes", "integrity")
FINDINGS = dg.AssetSelection.assets("integrity")
PROMPTS = dg.AssetSelection.key_prefixes("critic_prompt")
VERDICTS = dg.AssetSelection.key_prefixes("step_verdicts")
TOKENS = dg.AssetSelection.key_prefixes("masked_tokens")
CHECKPOINTS = dg.AssetSelection.key_prefixes("checkpoints")
SCORES = dg.AssetSelection.key_prefixes("eval_scores")
ASKED_FOR = dg.AssetSelection.tag(ON_REQUEST, "true")
ARM_TOKENS = TOKENS - ASKED_FOR
UNASKED = (VERDICTS - ASKED_FOR) | (ARM_TOKENS.upstream() & (PROMPTS | VERDICTS))
"""Verdicts that cost nothing, and those that an arm needs."""

ingest_runs = dg.define_asset_job(
    "ingest_runs",
    BY_BATCH,
    partitions_def=BATCHES,
    description="Read the runs of a batch and grade their patches.",
)

relabel = dg.define_asset_job(
    "relabel",
    UNASKED | ARM_TOKENS | FINDINGS,
    partitions_def=BATCHES,
    description="Label the steps of a batch again, and mask its tokens by the new labels: of the "
    "critics that cost nothing and those that an arm needs. What is in sync is kept.",
)

label_new_runs = dg.define_asset_job(
    "label_new_runs",
    BY_BATCH | UNASKED | ARM_TOKENS,
    partitions_def=BATCHES,
    description="From recorded runs to masked tokens, for a batch. Asks no critic that costs "
    "money, unless an arm needs it, and leaves control arms alone.",
)

train_arm = dg.define_asset_job(
    "train_arm",
    CHECKPOINTS - ASKED_FOR,
    partitions_def=PARTITIONS["seed"],
    description="Train with a seed: the arms that are selected in the job's graph, else every arm "
    "but the controls.",
)

evaluate_arm = dg.define_asset_job(
    "evaluate_arm",
    SCORES - ASKED_FOR,
    partitions_def=PARTITIONS["seed"],
    description="Score the checkpoints of a seed on held-out tasks: of the arms that are selected "
    "in the job's graph, else of every arm but the controls.",
)


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
    batches = matching(known, config.batches, family_of(home))
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


defs = dg.Definitions(
    jobs=[ingest_runs, relabel, label_new_runs, train_arm, evaluate_arm, ask_for],
)
