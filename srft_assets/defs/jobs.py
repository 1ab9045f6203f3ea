"""Named selections of the graph."""

import dagster as dg

from srft_assets.components.asset import ON_REQUEST
from srft_assets.components.partitions import BATCHES, SEEDS

BY_BATCH = dg.AssetSelection.assets("trajectories", "test_outcomes")
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
    PROMPTS | VERDICTS | TOKENS,
    partitions_def=BATCHES,
    description="Label the steps of a batch again, and mask its tokens by the new labels. The "
    "schedule `relabel_nightly` starts it for what is stale; started by hand it asks every "
    "critic, also those that no arm needs. What is in sync is kept.",
)

prepare_batch = dg.define_asset_job(
    "prepare_batch",
    BY_BATCH | UNASKED | ARM_TOKENS,
    partitions_def=BATCHES,
    description="From recorded runs to masked tokens, for a batch. Asks no critic that costs "
    "money, unless an arm needs it, and leaves control arms alone.",
)

train_and_score = dg.define_asset_job(
    "train_and_score",
    (CHECKPOINTS | SCORES) - ASKED_FOR,
    partitions_def=SEEDS,
    description="Train every arm but the controls with a seed, and score the checkpoints on "
    "held-out tasks.",
)

defs = dg.Definitions(jobs=[ingest_runs, relabel, prepare_batch, train_and_score])
