"""Files by which a patch could have its own code run before, around or instead of the tests."""

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from glob import escape
from pathlib import PurePosixPath

HOOKS = (
    *("conftest*", "sitecustomize*", "usercustomize*", "*.pth", "*.egg-info", "*.dist-info"),
    *("pytest.ini", ".pytest.ini", "pytest.toml", ".pytest.toml"),
    *("pyproject.toml", "tox.ini", "setup.cfg"),
)
"""Names of files and folders that Python or pytest reads unasked, as patterns."""
TEST_FILE = re.compile(r"(?:^|/)(?:tests?/|testing/|test_[^/]*\.py$|[^/]*_test\.py$|conftest\.py$)")
UNNEST = "find . -mindepth 2 -name .git -prune -exec rm -rf -- {} +"
"""Makes repositories inside the tree plain folders: `git clean` looks into no repository."""


def is_hook(path: str) -> bool:
    """Whether a file is such, or lies in such a folder."""
    return any(fnmatchcase(part, hook) for part in PurePosixPath(path).parts for hook in HOOKS)


def intruders(tests: Iterable[str]) -> Sequence[str]:
    """Pathspecs of git for untracked files that must go before `tests` (files) are run: hooks,
    bytecode, what would be imported instead of a test, and what makes a test folder a package.
    """
    tests = [*tests]
    stems = [str(PurePosixPath(path).with_suffix("")) for path in tests if path.endswith(".py")]
    instead = [f"{escape(stem)}{ending}" for stem in stems for ending in ("", ".*")]
    hooks = [f"**/{hook}{inside}" for hook in HOOKS for inside in ("", "/**")]
    parents = {str(PurePosixPath(path).parent) for path in tests}
    folders = [one for one in sorted(parents) if TEST_FILE.search(f"{one}/")]
    packages = [f"{escape(one)}/__init__.*" for one in folders]
    return [f":(glob){place}" for place in (*instead, *packages, *hooks, "**/__pycache__/**")]
