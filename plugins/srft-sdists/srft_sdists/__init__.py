"""Grading of SWE-bench instances without Docker: from git checkouts or source releases.

An approximation of the SWE-bench harness: the environment is another one, and where there is no
checkout, so is the source. How it works and how far it agrees is told in docs/local-grading.md.
The platform finds `grade` and `prepare` by the entry points of this package.
"""

from srft_sdists.grader import grade
from srft_sdists.tree import prepare

VERSION = 3
"""Raised when outcomes change; see tools/versions.py."""

__all__ = ["VERSION", "grade", "prepare"]
