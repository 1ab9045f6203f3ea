"""Source releases of a project, through pip and whatever index it is set up for."""

import json
import lzma
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from functools import cache
from pathlib import Path

from packaging.version import InvalidVersion, Version

from srft_assets.outcomes.sdists.cache import Cache
from srft_assets.outcomes.sdists.commands import run
from srft_assets.outcomes.sdists.errors import NotBuiltError
from srft_assets.outcomes.sdists.interpreters import own_interpreter
from srft_assets.outcomes.sdists.objects import commit_files

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
    said = run([*_pip(cache), "index", "versions", project, "--pre", "--json", *SOURCE_ONLY])
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
    argv = [*_pip(cache), "download", "--quiet", "--no-deps", "--no-build-isolation", *SOURCE_ONLY]
    run([*argv, "--dest", str(download), f"{project}=={version}"])
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


def _pip(cache: Cache) -> list[str]:
    """A pip that knows `index versions --json`, beside what it takes to build metadata."""

    def make(folder: Path) -> None:
        run([own_interpreter().program, "-m", "venv", folder])
        pip = [str(folder / "bin" / "python"), "-m", "pip"]
        run([*pip, "install", "--quiet", "--upgrade", *BUILDERS])

    name = f"py{own_interpreter().version}"
    return [str(cache.folder("builders", name, make) / "bin" / "python"), "-m", "pip"]
