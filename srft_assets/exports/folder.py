"""The folder of an export: put in place whole or not at all, and uploaded to the Hub."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson

from srft_assets.errors import SrftError, UsageError
from srft_assets.exports.writer import FOLDER
from srft_assets.files import remove_left, replacing

MANIFEST = "srft_export.json"
"""Names every file of an export; what has none is not replaced."""
REFUSED = "refused.jsonl"
"""Names the runs that the format cannot express, and why."""
REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)


@contextmanager
def placing(target: Path) -> Iterator[Path]:
    """A folder beside the target to write into; it takes the target's place at the end.

    Where the body raises, or the process is killed, the target stays as it was. Raises
    UsageError where the target is something else than an export.
    """
    check_replaceable(target)
    with replacing(target) as beside:
        remove_left(target.parent, target.name)
        beside.mkdir()
        yield beside
        check_replaceable(target)


def check_replaceable(target: Path) -> None:
    """Raises UsageError unless the target is absent, an empty folder, or an export untouched."""
    if not os.path.lexists(target):
        return
    if target.is_symlink() or not target.is_dir():
        raise UsageError(f"{target} is no folder: name another --out")
    files = {path.relative_to(target).as_posix() for path in target.rglob("*") if not _folder(path)}
    if not files:
        return
    if MANIFEST not in files:
        raise UsageError(f"{target} holds files, but no export of srft: name another --out")
    others = sorted(files - {MANIFEST, *_listed(target / MANIFEST)})
    if others:
        raise UsageError(
            f"{target} holds {others[0]!r} beside an export: move it, or name another --out"
        )


def _folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _listed(manifest: Path) -> list[str]:
    try:
        return list(orjson.loads(manifest.read_bytes())["files"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise UsageError(f"{manifest} is no manifest of an export: name another --out") from None


def check_repository(name: str) -> str:
    """The name. Raises UsageError unless it is OWNER/NAME."""
    if not REPOSITORY.fullmatch(name):
        raise UsageError(f"{name!r} is no data set of the Hub: write OWNER/NAME")
    return name


def push(folder: Path, repository: str, *, public: bool = False) -> str:
    """Upload the export; returns the data set's address.

    A data set that does not exist is made, private unless `public`; one that exists keeps its
    visibility, and loses data files that are not in the export. The token is the Hub client's
    own: `HF_TOKEN`, else what `hf auth login` stored. Raises SrftError in one line.
    """
    from httpx import HTTPError
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError

    api = HfApi(library_name="srft")
    try:
        api.create_repo(repository, repo_type="dataset", private=not public, exist_ok=True)
        done = api.upload_folder(
            repo_id=repository,
            folder_path=folder,
            repo_type="dataset",
            commit_message="Export from srft",
            delete_patterns=[f"{FOLDER}/*", REFUSED],
        )
    except (HfHubHTTPError, LocalTokenNotFoundError, HTTPError, OSError, ValueError) as error:
        first = " ".join(str(error).split())[:160]
        raise SrftError(
            f"{repository} was not pushed ({type(error).__name__}: {first}); the export is in "
            f"{folder}. Set HF_TOKEN to a token that may write, and check the network"
        ) from None
    return str(done.repo_url)
