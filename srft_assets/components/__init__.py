"""Dagster components: YAML in, assets out."""

import warnings

import dagster as dg

# Backfill policies and Pipes readers are beta in the Dagster version that is pinned; we rely on
# them knowingly.
for kind in (dg.BetaWarning, dg.PreviewWarning):
    warnings.filterwarnings("ignore", category=kind)
