"""Runs that several batches hold: the rule of `sql/macros/counts_once.sql`, over rows in memory."""

from collections.abc import Iterable

import polars as pl

from srft_assets.warehouse.connection import connect
from srft_assets.warehouse.statements import sql_files
from srft_assets.warehouse.store import Warehouse


def counted_once(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows, in their order, without those of runs that an earlier `batch` holds too."""
    (rule,) = (file.text for file in sql_files("macros") if file.name == "counts_once")
    given = rows.select("trajectory_id", "batch").with_row_index("place")
    with connect() as connection:
        connection.execute(rule)
        connection.register("given", given.to_arrow())
        counted = connection.sql(
            "SELECT place FROM given QUALIFY counts_once(trajectory_id, batch) ORDER BY place"
        ).pl()
    return rows[counted["place"]]


def holders(
    warehouse: Warehouse, batches: Iterable[str], asset: str = "trajectories"
) -> dict[str, str]:
    """Trajectory id → the one of the partitions in which the run counts."""
    none = pl.DataFrame(schema={"trajectory_id": pl.String, "batch": pl.String})
    held = [
        warehouse.read(asset, name, ["trajectory_id"]).with_columns(batch=pl.lit(name))
        for name in sorted(set(batches))
    ]
    return dict(counted_once(pl.concat([none, *held])).iter_rows())
