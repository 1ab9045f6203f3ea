"""Dagster components: YAML in, assets out."""

import warnings

import dagster as dg

# Backfill policies are beta in the Dagster version that is pinned; we rely on them knowingly.
warnings.filterwarnings("ignore", category=dg.BetaWarning)
