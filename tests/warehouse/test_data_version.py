"""Data versions: equal exactly where the content that matters is."""

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing.parametric import dataframes

from srft_assets.warehouse.partitions import Warehouse, data_version
from tests.warehouse.filled import put

KINDS = [pl.String, pl.Int32, pl.Int64, pl.Boolean, pl.List(pl.Int32), pl.List(pl.String)]
frames = dataframes(min_cols=1, max_cols=4, max_size=8, allowed_dtypes=KINDS)


@settings(max_examples=40)
@given(frames, frames)
def test_versions_are_equal_exactly_where_frames_are(
    one: pl.DataFrame, other: pl.DataFrame
) -> None:
    same = one.schema == other.schema and one.equals(other)
    assert (data_version(one) == data_version(other)) == same


@settings(max_examples=40)
@given(frames, st.integers(0, 8))
def test_chunks_do_not_matter(frame: pl.DataFrame, cut: int) -> None:
    pieces = pl.concat([frame.head(cut), frame.slice(cut)], rechunk=False)
    assert data_version(pieces) == data_version(frame)


@settings(max_examples=40)
@given(frames)
def test_a_partition_has_the_version_of_what_was_written(
    tmp_path_factory: object, frame: pl.DataFrame
) -> None:
    warehouse = Warehouse(tmp_path_factory.mktemp("w"))  # type: ignore[attr-defined]
    put(warehouse, "asset", "p", frame)
    assert data_version(warehouse.read("asset", "p")) == data_version(frame)


def test_volatile_columns_do_not_count() -> None:
    slow, quick = (pl.DataFrame({"n": [1], "seconds": [s]}) for s in (2.0, 1.0))
    assert data_version(slow) != data_version(quick)
    assert data_version(slow, ["seconds"]) == data_version(quick, ["seconds"])


def test_names_types_values_and_order_count() -> None:
    frames = [
        pl.DataFrame({"n": [1, 2]}),
        pl.DataFrame({"m": [1, 2]}),
        pl.DataFrame({"n": [2, 1]}),
        pl.DataFrame({"n": [1, None]}),
        pl.DataFrame({"n": ["1", "2"]}),
        pl.DataFrame({"n": [1, 2]}, schema={"n": pl.Int32}),
        pl.DataFrame({"n": [1, 2], "o": [1, 2]}),
        pl.DataFrame({"n": [1]}),
    ]
    assert len({data_version(frame) for frame in frames}) == len(frames)


def test_many_rows_count_to_the_last() -> None:
    numbers = list(range(1000))
    changed = [*numbers[:-1], 0]
    assert data_version(pl.DataFrame({"n": numbers})) != data_version(pl.DataFrame({"n": changed}))
