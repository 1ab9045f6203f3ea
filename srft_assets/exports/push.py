"""An export on the Hugging Face Hub."""

import re
from pathlib import Path

from srft_assets.errors import SrftError, UsageError
from srft_assets.exports.shards import FOLDER

REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)


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
            delete_patterns=[f"{FOLDER}/*", "refused.jsonl"],
        )
    except (HfHubHTTPError, LocalTokenNotFoundError, HTTPError, OSError, ValueError) as error:
        first = " ".join(str(error).split())[:160]
        raise SrftError(
            f"{repository} was not pushed ({type(error).__name__}: {first}); the export is in "
            f"{folder}. Set HF_TOKEN to a token that may write, and check the network"
        ) from None
    return str(done.repo_url)
