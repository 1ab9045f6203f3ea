"""Grading of SWE-bench instances without Docker: from git checkouts or source releases.

An approximation of the SWE-bench harness: the environment is another one, and where there is no
checkout, so is the source. How it works and how far it agrees is told in docs/local-grading.md.
"""

from srft_assets.outcomes.sdists.grader import grade

VERSION = 1
"""Raised when outcomes change; see tools/versions.py."""

__all__ = ["VERSION", "grade"]
