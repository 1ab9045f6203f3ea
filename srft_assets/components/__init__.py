"""Dagster components: YAML in, assets out."""

import warnings

import dagster as dg

# `backfill_policy` is beta in the Dagster version that is pinned; we rely on it knowingly.
warnings.filterwarnings("ignore", category=dg.BetaWarning, message=".*backfill_policy.*")
