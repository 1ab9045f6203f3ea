"""What a Parquet partition says of itself, kept in its key-value metadata."""

from dataclasses import asdict, dataclass, field
from pathlib import Path

import orjson
import pyarrow.parquet as pq

from srft_assets.refusal import Refusal
from srft_assets.warehouse.recipe import Recipe

KEY = b"srft"


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
    """

    recipe: Recipe
    fingerprint: str
    data_version: str
    rows: int
    run_id: str
    made_at: str
    refused: tuple[Refusal, ...] = field(default=())

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
    if not path.exists():
        return None
    metadata = pq.read_metadata(path).metadata or {}
    return Stamp.from_bytes(metadata[KEY]) if KEY in metadata else None
