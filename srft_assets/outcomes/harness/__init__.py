"""Grading with the SWE-bench harness, in Docker or on Modal."""

from srft_assets.outcomes.harness.grading import grade

__all__ = ["grade"]
