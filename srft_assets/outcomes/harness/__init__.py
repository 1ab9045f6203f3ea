"""Grading with the SWE-bench harness, in Docker or on Modal."""

from srft_assets.outcomes.harness.grader import grade, preconditions

VERSION = 1
"""Raised when outcomes change; see tools/versions.py."""

__all__ = ["VERSION", "grade", "preconditions"]
