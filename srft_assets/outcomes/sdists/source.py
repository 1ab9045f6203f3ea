"""The repository as it was before the fix: from a git checkout, else from a source release."""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from packaging.version import Version

from srft_assets.outcomes.sdists.cache import Cache
from srft_assets.outcomes.sdists.commands import git
from srft_assets.outcomes.sdists.errors import NotBuiltError
from srft_assets.outcomes.sdists.patches import test_files, touched
from srft_assets.outcomes.sdists.recipes import recipe_of, version_of
from srft_assets.outcomes.sdists.releases import (
    RELEASE,
    commit,
    release_repository,
    versions_from,
)
from srft_assets.outcomes.task import TaskInstance

MOST_TRIED = 12
"""Releases that are tried; a fix that is in none of them was reverted or rewritten."""
HOST = "https://github.com"
HOST_VARIABLE = "SRFT_GIT_HOST"


@dataclass(frozen=True, slots=True)
class Source:
    """Where a task's files come from.

    Attributes:
        kind: `git` for the very `base_commit`, `sdist` for a release minus the fix.
        name: for people, e.g. `Django 3.2a1 (sdist)`.
        release: version whose requirements make the environment.
        repository: a bare git repository that holds the two commits.
        base: commit before the fix, also without the tests of the test patch.
        tests: commit that holds the test files as they are graded with.
        solved: commit with the fix and those tests.
        playable: whether `base` is free of the hidden tests.
    """

    kind: Literal["git", "sdist"]
    name: str
    release: str
    repository: Path
    base: str
    tests: str
    solved: str
    playable: bool = True


def source_of(task: TaskInstance, cache: Cache, mirrors: Path | None = None) -> Source:
    """The task's source: the local mirror, the git host, or a release, whichever is to be had.

    `mirrors` holds bare or plain clones, named `owner__repo` (with or without `.git`).
    Raises NotBuiltError.
    """
    if not task.patch.strip() or not task.test_patch.strip():
        raise NotBuiltError("the task has no reference patch or no test patch")
    mirror = _mirror(task, mirrors)
    if mirror:
        return _checkout(task, mirror, cache)
    if host := os.environ.get(HOST_VARIABLE):
        return _checkout(task, f"{host.rstrip('/')}/{task.repo}", cache)
    return _release(task, cache)


def _mirror(task: TaskInstance, mirrors: Path | None) -> str | None:
    if mirrors is None:
        return None
    name = task.repo.replace("/", "__")
    places = [mirrors / name, mirrors / f"{name}.git"]
    return next((str(place) for place in places if place.is_dir()), None)


def _checkout(task: TaskInstance, remote: str, cache: Cache) -> Source:
    """`base_commit` of a repository, fetched without its history."""
    name = task.repo.replace("/", "__")
    repository = cache.folder("checkouts", name, lambda folder: _init(folder))
    recipe = recipe_of(task)
    releases = versions_from(recipe.project, version_of(task), cache)
    final = next((one for one in releases if not Version(one).is_prerelease), None)
    if final is None:
        raise NotBuiltError(f"no release of {recipe.project} from {task.version} on")
    with cache.lock("checkouts", f"{name}.fetch"):
        any_commit = "git -c uploadpack.allowAnySHA1InWant=true upload-pack"
        upload = () if "://" in remote else ("--upload-pack", any_commit)
        git(repository, "fetch", "--quiet", "--depth", "1", *upload, remote, task.base_commit)
        files = {
            path: content.replace("{version}", final) for path, content in recipe.missing.items()
        }
        base = _changed(repository, task.base_commit, task, "base", [], files)
        tests = _changed(repository, base, task, "tests", [(task.test_patch, False)])
        solved = _changed(repository, tests, task, "solved", [(task.patch, False)])
    name = f"{task.repo}@{task.base_commit[:12]}"
    return Source("git", name, final, repository, base, tests, solved)


def _init(folder: Path) -> None:
    git(folder, "init", "--quiet", "--bare", "--template=", ".")
    (folder / "info").mkdir()
    (folder / "info" / "attributes").write_text("* -text -eol -ident -filter\n")


def _release(task: TaskInstance, cache: Cache) -> Source:
    """The first release that holds the fix, minus the fix."""
    project = recipe_of(task).project
    versions = versions_from(project, version_of(task), cache)[:MOST_TRIED]
    reason = f"no source release of {project} from {task.version} on"
    for version in versions:
        repository = release_repository(project, version, cache)
        absent = [
            path for path in test_files(task.test_patch) if not _has(repository, RELEASE, path)
        ]
        if absent:
            reason = f"{project} {version} does not carry {absent[0]}"
            continue
        with cache.lock("releases", f"{project}-{version}.tasks"):
            try:
                source = _without_fix(task, project, version, repository)
            except NotBuiltError as error:
                reason = f"the reference patch is in none of {len(versions)} releases ({error})"
                continue
        return source
    raise NotBuiltError(reason)


def _without_fix(task: TaskInstance, project: str, version: str, repository: Path) -> Source:
    tests = git(repository, "rev-parse", RELEASE).strip()
    name = f"{project} {version} (sdist)"
    try:
        both = [(task.patch, True), (task.test_patch, True)]
        base = _changed(repository, tests, task, "base", both)
        return Source("sdist", name, version, repository, base, tests, tests)
    except NotBuiltError:
        base = _changed(repository, tests, task, "base", [(task.patch, True)])
        return Source("sdist", name, version, repository, base, tests, tests, playable=False)


def _changed(
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
    """Files of a patch to leave out: no code, there before and after it, and not in `start`."""
    kept = [one for one in touched(patch) if not (one.added or one.deleted)]
    names = sorted(one.new for one in kept if not one.new.endswith(".py"))
    return [name for name in names if not _has(repository, start, name)]


def _has(repository: Path, commit_id: str, path: str) -> bool:
    return bool(git(repository, "ls-tree", "--name-only", commit_id, "--", path).strip())
