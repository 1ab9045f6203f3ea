"""Dagster components: YAML in, assets out."""
