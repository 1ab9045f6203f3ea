"""Where a data set lies: on this machine, or on the Hugging Face hub."""

from pathlib import Path

from srft_assets.errors import SrftError
from srft_assets.trajectories import hub

SUFFIXES = (".parquet", ".arrow", ".jsonl", ".ndjson", ".json")


def is_local(source: str) -> bool:
    """Whether the data set lies on this machine."""
    return Path(source).expanduser().exists()


def files_of(source: str, split: str = "test") -> list[Path]:
    """The files of a data set, fetched from the hub where it is no local one.

    Raises SrftError where there is none, or where the hub cannot be reached.
    """
    place = Path(source).expanduser()
    if not place.exists():
        looks_local = place.suffix in SUFFIXES or source.startswith((".", "/", "~"))
        if looks_local or source.removeprefix("hf://datasets/").count("/") != 1:
            raise SrftError(
                f"no data set {source!r}: name a file ({', '.join(SUFFIXES)}), a folder, or "
                "OWNER/NAME on the Hugging Face hub"
            )
        place = hub.fetch(f"hf://datasets/{source.removeprefix('hf://datasets/')}/{split}")
    if place.is_file():
        return [place]
    files = [path for path in sorted(place.rglob("*")) if path.suffix in SUFFIXES]
    of_split = [path for path in files if _is_of(path.relative_to(place), split)]
    if not of_split:
        raise SrftError(f"{place}: no file of split {split!r} ({', '.join(SUFFIXES)}) in it")
    return of_split


def _is_of(path: Path, split: str) -> bool:
    """`test.parquet`, `test-00000-of-00001.parquet`, `default/test/0000.parquet`."""
    return path.stem == split or path.stem.startswith(f"{split}-") or split in path.parent.parts
