"""Data sets on the Hugging Face hub, fetched as Parquet into its local cache."""

from fnmatch import fnmatchcase
from pathlib import Path

from srft_assets.errors import SrftError, UsageError

PREFIX = "hf://"
CONVERTED = "refs/convert/parquet"
"""Branch where the hub keeps every public data set as `<config>/<split>/<n>.parquet`."""
DATA_SUFFIXES = ("parquet", "jsonl", "ndjson", "json", "arrow")


def is_hub(path: str) -> bool:
    """Whether a path names something on the hub."""
    return path.startswith(PREFIX)


def fetch(address: str) -> Path:
    """The local folder of `hf://datasets/OWNER/NAME[/SPLIT]`, downloaded where it is not cached.

    Takes the hub's Parquet copy, else the data files of the main branch. Raises UsageError for
    another form of address, and SrftError in one line where the hub cannot be reached.
    """
    repo, split = _parts(address)
    from httpx import HTTPError
    from huggingface_hub.errors import HFValidationError, RevisionNotFoundError

    try:
        try:
            return _download(repo, CONVERTED, split)
        except RevisionNotFoundError:
            return _download(repo, "main", split)
    except (OSError, HTTPError, HFValidationError) as error:
        first = " ".join(str(error).split())[:160]
        raise SrftError(
            f"{address}: cannot be fetched ({type(error).__name__}: {first}); check the name and "
            "the network, or download the data set elsewhere and ingest its files"
        ) from None


def _parts(address: str) -> tuple[str, str | None]:
    parts = address.removeprefix(PREFIX).strip("/").split("/")
    if parts[0] != "datasets" or len(parts) not in (3, 4) or not all(parts):
        raise UsageError(
            f"{address}: write hf://datasets/OWNER/NAME or hf://datasets/OWNER/NAME/SPLIT"
        )
    return "/".join(parts[1:3]), parts[3] if len(parts) == 4 else None


def _download(repo: str, revision: str, split: str | None) -> Path:
    from huggingface_hub import snapshot_download

    wanted = [f"*.{suffix}" for suffix in DATA_SUFFIXES]
    if split is not None:
        wanted = [f"*{name}{pattern}" for name in (f"/{split}/", f"{split}-") for pattern in wanted]
    folder = Path(
        snapshot_download(repo, repo_type="dataset", revision=revision, allow_patterns=wanted)
    )
    held = [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]
    if not any(fnmatchcase(name, pattern) for name in held for pattern in wanted):
        what = f"split {split!r}" if split else "data file"
        raise SrftError(f"hf://datasets/{repo}: no {what} in revision {revision}")
    return folder
