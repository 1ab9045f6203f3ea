"""Commits made in bare git repositories, without working trees."""

import tempfile
from pathlib import Path

from srft_assets.outcomes.sdists.commands import git
from srft_assets.outcomes.sdists.errors import NotBuiltError
from srft_assets.outcomes.sdists.patches import leaves_tree, touched
from srft_assets.outcomes.task import TaskInstance

NO_CONVERSION = "* -text -eol -ident -filter -working-tree-encoding\n"
"""Attributes that outrank those a repository or a patch brings."""


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
