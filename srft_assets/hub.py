"""Uploads to the Hugging Face Hub, with its own client."""

import re
from collections.abc import Sequence
from glob import escape
from pathlib import Path
from typing import Literal

from srft_assets.errors import SrftError, UsageError

REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
Kind = Literal["model", "dataset"]
"""Of repositories on the Hub."""


def check_repository(name: str) -> str:
    """The name. Raises UsageError unless it is OWNER/NAME."""
    if not REPOSITORY.fullmatch(name):
        raise UsageError(f"{name!r} is no repository of the Hub: write OWNER/NAME")
    return name


def push(
    folder: Path,
    repository: str,
    kind: Kind,
    files: Sequence[str] | None = None,
    *,
    public: bool = False,
    replaced: Sequence[str] = (),
) -> str:
    """Upload a folder, or of it the files that are named; returns the repository's address.

    A repository that does not exist is made, private unless `public`; one that exists keeps its
    visibility, and loses the files that match `replaced` and are not in the folder. The token is
    the client's own: `HF_TOKEN`, else what `hf auth login` stored. Raises SrftError in one line.
    """
    from httpx import HTTPError
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError

    api = HfApi(library_name="srft")
    try:
        api.create_repo(repository, repo_type=kind, private=not public, exist_ok=True)
        done = api.upload_folder(
            repo_id=repository,
            folder_path=folder,
            repo_type=kind,
            commit_message="Upload from srft",
            allow_patterns=None if files is None else [escape(name) for name in files],
            delete_patterns=list(replaced) or None,
        )
    except (HfHubHTTPError, LocalTokenNotFoundError, HTTPError, OSError, ValueError) as error:
        first = " ".join(str(error).split())[:160]
        raise SrftError(
            f"{repository} was not pushed ({type(error).__name__}: {first}); it is still in "
            f"{folder}. Set HF_TOKEN to a token that may write, and check the network"
        ) from None
    return str(done.repo_url)
