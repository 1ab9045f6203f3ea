"""The repository as it was before the fix: from a git checkout, else from a source release."""

import json
import lzma
import re
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from packaging.version import InvalidVersion, Version

from srft_assets.outcomes.task import TaskInstance
from srft_assets.project.settings import settings
from srft_sdists.build import Cache, NotBuiltError, run
from srft_sdists.environment import (
    Installer,
    installer_of,
    new_environment,
    own_interpreter,
)
from srft_sdists.git import changed, commit_files, git, has, init_bare, test_files
from srft_sdists.recipes import recipe_of, version_of

BUILDERS = (
    "pip",
    "setuptools<66",
    "wheel",
    "flit_core",
    "hatchling",
    "hatch-vcs",
    "setuptools_scm",
    "poetry-core",
)
"""What pip needs to look into the source releases of the recipes."""
SOURCE_ONLY = ("--no-binary", ":all:", "--ignore-requires-python")
DAMAGED = (
    *(OSError, ValueError, EOFError, tarfile.TarError),
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError),
)
"""What Python raises of an archive that is torn, or that its filter refuses."""
RELEASE = "release"
"""Branch of a release's repository: one commit, without parents."""


def versions_from(project: str, version: Version, cache: Cache) -> list[str]:
    """Versions of at least `version` that have a source release, oldest first.

    Pre-releases count, e.g. 3.2a1 for 3.2. Raises NotBuiltError.
    """
    return [text for number, text in _versions(project, cache) if number.release >= version.release]


@cache
def _versions(project: str, cache: Cache) -> list[tuple[Version, str]]:
    pip = [str(_pip(cache).python), "-m", "pip"]
    said = run([*pip, "index", "versions", project, "--pre", "--json", *SOURCE_ONLY])
    try:
        texts = json.loads(said)["versions"]
    except (ValueError, KeyError, TypeError):
        raise NotBuiltError(f"pip index versions {project} gave no list of versions") from None
    found = []
    for text in texts:
        try:
            found.append((Version(text), text))
        except InvalidVersion:
            continue
    return sorted(found)


def release_repository(project: str, version: str, cache: Cache) -> Path:
    """A bare git repository whose branch `release` holds all files of a source release.

    Downloaded where it is absent. Raises NotBuiltError.
    """

    def make(folder: Path) -> None:
        with tempfile.TemporaryDirectory(prefix="srft-sdist-", dir=folder) as name:
            tree = _unpack(_download(project, version, Path(name), cache), Path(name))
            commit_files(folder, tree, RELEASE)

    return cache.folder("releases", f"{project}-{version}", make)


def _download(project: str, version: str, folder: Path, cache: Cache) -> Path:
    download = folder / "download"
    download.mkdir()
    options = ["--quiet", "--no-deps", "--no-build-isolation", *SOURCE_ONLY]
    wanted = ["--dest", str(download), f"{project}=={version}"]
    _pip(cache).run("download", *options, *wanted, folder=download)
    files = list(download.iterdir())
    if len(files) != 1:
        raise NotBuiltError(f"{project} {version}: {len(files)} files instead of a source release")
    return files[0]


def _unpack(archive: Path, folder: Path) -> Path:
    """The one folder in the archive. Members that would leave it are refused by Python's filter."""
    target = folder / "files"
    try:
        if archive.suffix == ".zip":
            shutil.unpack_archive(archive, target)
        else:
            shutil.unpack_archive(archive, target, filter="data")
    except DAMAGED as error:
        raise NotBuiltError(f"{archive.name} cannot be unpacked: {error}") from None
    folders = [place for place in target.iterdir() if place.is_dir()]
    if len(folders) != 1:
        raise NotBuiltError(f"{archive.name}: {len(folders)} folders instead of one")
    return folders[0]


def _pip(cache: Cache) -> Installer:
    """A pip that knows `index versions --json`, beside what it takes to build metadata."""

    def make(folder: Path) -> None:
        pip = new_environment(folder, own_interpreter())
        pip.run("install", "--quiet", "--upgrade", *BUILDERS, folder=folder)

    name = f"py{own_interpreter().version}"
    return installer_of(cache.folder("builders", name, make), own_interpreter())


MOST_TRIED = 6
"""Releases that are tried; a fix that is in none of them was reverted or rewritten."""
COMMIT = re.compile(r"[0-9a-fA-F]{40}(?:[0-9a-fA-F]{24})?")
HOST = "https://github.com"


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
    if host := settings().git_host:
        return _checkout(task, f"{host.rstrip('/')}/{task.repo}", cache)
    return _release(task, cache)


def _mirror(task: TaskInstance, mirrors: Path | None) -> str | None:
    if mirrors is None:
        return None
    name = task.repo.replace("/", "__")
    places = [mirrors / name, mirrors / f"{name}.git"]
    return next((str(place.resolve()) for place in places if place.is_dir()), None)


def _checkout(task: TaskInstance, remote: str, cache: Cache) -> Source:
    """`base_commit` of a repository, fetched without its history."""
    if not COMMIT.fullmatch(task.base_commit):  # git would take other words for its options
        stated = task.base_commit[:80]
        raise NotBuiltError(f"{task.instance_id}: base_commit {stated!r} is no commit's 40 digits")
    name = task.repo.replace("/", "__")
    repository = cache.folder("checkouts", name, init_bare)
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
        base = changed(repository, task.base_commit, task, "base", [], files)
        tests = changed(repository, base, task, "tests", [(task.test_patch, False)])
        solved = changed(repository, tests, task, "solved", [(task.patch, False)])
    name = f"{task.repo}@{task.base_commit[:12]}"
    return Source("git", name, final, repository, base, tests, solved)


def _release(task: TaskInstance, cache: Cache) -> Source:
    """The first release that holds the fix, minus the fix."""
    project = recipe_of(task).project
    versions = versions_from(project, version_of(task), cache)[:MOST_TRIED]
    reason = f"no source release of {project} from {task.version} on"
    for version in versions:
        repository = release_repository(project, version, cache)
        absent = [
            path for path in test_files(task.test_patch) if not has(repository, RELEASE, path)
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
        base = changed(repository, tests, task, "base", both)
        return Source("sdist", name, version, repository, base, tests, tests)
    except NotBuiltError:
        base = changed(repository, tests, task, "base", [(task.patch, True)])
        return Source("sdist", name, version, repository, base, tests, tests, playable=False)
