"""Which files a patch touches."""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

HEADER = re.compile(r"^diff --git a/(?P<old>.+?) b/(?P<new>.+)$", re.MULTILINE)
DATA = (".json", ".png", ".csv", ".txt", ".md", ".jpg", ".jpeg", ".pkl", ".yml", ".yaml", ".toml")
"""Files of a test patch that are not themselves run, as in the SWE-bench harness."""


@dataclass(frozen=True, slots=True)
class Touched:
    """One file of a patch, under its old and new name, and whether it is added or deleted."""

    old: str
    new: str
    added: bool
    deleted: bool


def touched(patch: str) -> list[Touched]:
    """The files of a git diff, in order."""
    found = []
    heads = [*HEADER.finditer(patch)]
    for number, head in enumerate(heads):
        end = heads[number + 1].start() if number + 1 < len(heads) else len(patch)
        lines = patch[head.end() : end].partition("\n@@")[0].splitlines()
        added = any(line.startswith("new file mode") for line in lines)
        deleted = any(line.startswith("deleted file mode") for line in lines)
        found.append(Touched(head["old"], head["new"], added, deleted))
    return found


def paths(patch: str) -> set[str]:
    """Every name that the patch speaks of."""
    return {name for one in touched(patch) for name in (one.old, one.new)}


def leaves_tree(path: str) -> bool:
    """Whether a file of this name lies outside the repository, or is one of git's own."""
    return path.startswith("/") or bool({"..", ".git"} & {*PurePosixPath(path).parts})


def test_files(test_patch: str) -> list[str]:
    """The files that hold the tests: what the patch leaves behind, without mere data."""
    return [
        one.new for one in touched(test_patch) if not one.deleted and not one.new.endswith(DATA)
    ]


# pytest would take the function for a test where a test module imports it.
test_files.__test__ = False  # type: ignore[attr-defined]  # tells pytest: no test
