"""Reading exactly the version of an input that a recipe names."""

import polars as pl
import pyarrow.parquet as pq

from srft_assets.errors import SrftError
from srft_assets.warehouse.stamp import KEY, Stamp
from srft_assets.warehouse.store import Warehouse


class InputChangedError(SrftError):
    """An input was made anew after the recipe was written: write another recipe."""


def read_pinned(
    warehouse: Warehouse, asset: str, partition: str, version: str | None
) -> pl.DataFrame:
    """Rows of a partition whose data version is `version`; of any version where it is None.

    Version and rows come through one handle, so that a rename in between changes neither.
    Raises InputChangedError for another version, FileNotFoundError where there is none.
    """
    with warehouse.path(asset, partition).open("rb") as file:
        stamped = (pq.read_metadata(file).metadata or {}).get(KEY)
        found = Stamp.from_bytes(stamped).data_version if stamped else None
        if version not in (None, found):
            raise InputChangedError(f"{asset}/{partition} was made anew while it was waited for")
        file.seek(0)
        return pl.read_parquet(file)
