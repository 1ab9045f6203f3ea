"""What people and generated runs say of steps: the measure of critics."""

import dagster as dg

from srft_assets.components.critic_scores import gold_labels

defs = dg.Definitions(assets=[gold_labels()])
