"""Which files a patch touches, and commits made in bare repositories, without working trees."""

import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from srft_assets.outcomes.task import TaskInstance
from srft_sdists.build import NotBuiltError, run

GIT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_AUTHOR_NAME": "srft",
    "GIT_AUTHOR_EMAIL": "srft@localhost",
    "GIT_AUTHOR_DATE": "2025-01-01T00:00:00 +0000",
    "GIT_COMMITTER_NAME": "srft",
    "GIT_COMMITTER_EMAIL": "srft@localhost",
    "GIT_COMMITTER_DATE": "2025-01-01T00:00:00 +0000",
}
NO_CONVERSION = "* -text -eol -ident -filter -working-tree-encoding\n"
"""Attributes that outrank those a repository or a patch brings."""
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


def git(repository: Path, *arguments: str | Path, given: str | None = None, **env: str) -> str:
    """`git -C repository …`. Raises NotBuiltError."""
    return run(["git", "-C", repository, *arguments], env={**GIT, **env}, given=given)


def init_bare(folder: Path) -> None:
    """An empty bare repository that takes every file as it is."""
    git(folder, "init", "--quiet", "--bare", "--template=", ".")
    (folder / "info").mkdir()
    (folder / "info" / "attributes").write_text(NO_CONVERSION)


def commit_files(repository: Path, tree: Path, branch: str) -> None:
    """Make `repository` a bare repository with one commit of the files below `tree`."""
    init_bare(repository)
    git(repository, "--work-tree", tree, "-c", "core.autocrlf=false", "add", "-A", "-f", ".")
    commit(repository, git(repository, "write-tree").strip(), f"refs/heads/{branch}")
    git(repository, "repack", "-a", "-d", "--quiet", "--window=0")


def commit(repository: Path, tree: str, ref: str) -> str:
    """Commit a tree without parents under a ref; its id."""
    made = git(repository, "commit-tree", "-m", "base", tree).strip()
    git(repository, "update-ref", ref, made)
    return made


def changed(
    repository: Path,
    start: str,
    task: TaskInstance,
    what: str,
    changes: list[tuple[str, bool]],
    files: dict[str, str] | None = None,
) -> str:
    """Commit of `start` with patches applied, or taken back, and files added.

    Files that a release does not carry (notes, documentation) are left out; code never is.
    """
    with tempfile.TemporaryDirectory(prefix="srft-index-") as name:
        index = str(Path(name, "index"))
        git(repository, "read-tree", start, GIT_INDEX_FILE=index)
        for patch, back in changes:
            apply = ["apply", "--cached", "--whitespace=nowarn", *(["-R"] if back else [])]
            apply += [f"--exclude={path}" for path in not_carried(repository, start, patch)]
            ended = patch if patch.endswith("\n") else f"{patch}\n"
            try:
                git(repository, *apply, "-", given=ended, GIT_INDEX_FILE=index)
            except NotBuiltError:
                git(repository, *apply, "-C1", "-", given=ended, GIT_INDEX_FILE=index)
        for path, content in (files or {}).items():
            blob = git(repository, "hash-object", "-w", "--stdin", given=content).strip()
            entry = f"100644,{blob},{path}"
            git(repository, "update-index", "--add", "--cacheinfo", entry, GIT_INDEX_FILE=index)
        tree = git(repository, "write-tree", GIT_INDEX_FILE=index).strip()
    return commit(repository, tree, f"refs/heads/tasks/{task.instance_id}/{what}")


def not_carried(repository: Path, start: str, patch: str) -> list[str]:
    """Files of a patch to leave out: no code, there before and after it, and not in `start`.

    Names that leave the repository stay in, for git to refuse; so do those of no file at all.
    """
    kept = [one for one in touched(patch) if not (one.added or one.deleted)]
    names = sorted({one.new for one in kept if not one.new.endswith(".py") and _sayable(one.new)})
    if not names:
        return []
    listed = git(repository, "ls-tree", "-r", "-t", "-z", "--name-only", "--full-tree", start)
    there = frozenset(listed.split("\0"))
    return [name for name in names if name not in there]


def _sayable(path: str) -> bool:
    """Git quotes other names of files in its headers, and no program can be given some of them."""
    return path.isprintable() and not leaves_tree(path)


def has(repository: Path, commit_id: str, path: str) -> bool:
    return bool(git(repository, "ls-tree", "--name-only", commit_id, "--", path).strip())
