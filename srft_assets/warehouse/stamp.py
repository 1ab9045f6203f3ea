"""What a Parquet partition says of itself, kept in its key-value metadata."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO

import orjson
import polars as pl

from srft_assets.refusal import Refusal
from srft_assets.warehouse.recipe import Recipe

KEY = "srft"


@dataclass(frozen=True, slots=True)
class Stamp:
    """Provenance and identity of one partition.

    Attributes:
        recipe: what it was made from.
        fingerprint: of the recipe.
        data_version: hash of the content that matters (`data_version`).
        rows: row count.
        run_id: the Dagster run, or `local`.
        made_at: ISO 8601, UTC.
        refused: inputs that were refused while this partition was made.
        figures: numbers that the stage told of it, by which a plan estimates what is behind it.
    """

    recipe: Recipe
    fingerprint: str
    data_version: str
    rows: int
    run_id: str
    made_at: str
    refused: tuple[Refusal, ...] = field(default=())
    figures: Mapping[str, float] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """As the value stored under `KEY`."""
        return orjson.dumps(asdict(self))

    @staticmethod
    def from_bytes(value: bytes) -> "Stamp":
        """Inverse of `to_bytes`."""
        cells = orjson.loads(value)
        cells["recipe"] = Recipe(**cells["recipe"])
        cells["refused"] = tuple(Refusal(**refusal) for refusal in cells["refused"])
        return Stamp(**cells)


def read_stamp(path: Path) -> Stamp | None:
    """The stamp of a partition file; None where the file is absent."""
    try:
        return stamp_in(path)
    except FileNotFoundError:
        return None


def stamp_in(source: Path | IO[bytes]) -> Stamp | None:
    """The stamp within a Parquet file; None for a file of somebody else."""
    stamped = pl.read_parquet_metadata(source).get(KEY)
    return Stamp.from_bytes(stamped.encode()) if stamped else None
