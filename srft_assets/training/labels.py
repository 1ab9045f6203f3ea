"""The chosen rows as a table of token ids, labels and loss weights."""

from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
import pyarrow as pa

from srft_assets.errors import SrftError
from srft_assets.tokens.row import Span, SpanError, label_tokens
from srft_assets.training.rows import Selection, scan_rows


def load_rows(selection: Selection, normalise: Literal["token", "run"] = "token") -> pa.Table:
    """The kept rows as Arrow lists, `input_ids` and `labels` of int32.

    Where not all trained tokens weigh the same there are `weights` (float32) too, 0 where there
    is no loss. `normalise="run"` scales them so that the weights of each run, over all its rows,
    have the same sum; on the average they stay as they are.
    """
    frame = selection.frame.with_columns(scale=_scales(selection.frame, normalise))
    tables = [
        _labelled(path, frame.filter(pl.col("file") == number))
        for number, path in enumerate(selection.files)
    ]
    table = pa.concat_tables(tables).combine_chunks()
    alike = normalise == "token" and (frame["weight"] == frame["n_trained"]).all()
    return table.drop_columns("weights") if alike else table


def _scales(rows: pl.DataFrame, normalise: str) -> pl.Series:
    if normalise == "token":
        return pl.repeat(1.0, rows.height, eager=True)
    of_run = pl.col("weight").sum().over("trajectory_id")
    mean = pl.col("weight").sum() / pl.col("trajectory_id").n_unique()
    return rows.select(mean / of_run)[:, 0]


def _labelled(path: Path, rows: pl.DataFrame) -> pa.Table:
    frame = scan_rows(path).select("input_ids", "spans").collect()[rows["row"]]
    labels, weights = [], []
    numbered = zip(rows["row"], rows["scale"], frame["input_ids"], frame["spans"], strict=True)
    for number, scale, ids, spans in numbered:
        try:
            of_row, loss = label_tokens(ids.to_numpy(), [Span(**span) for span in spans])
        except SpanError as error:
            raise SrftError(
                f"{path}, row {number}, {error}; materialize masked_tokens again"
            ) from None
        labels.append(of_row)
        weights.append((np.float64(scale) * loss).astype(np.float32))
    integers = pa.list_(pa.int32())
    lists = {
        "input_ids": frame["input_ids"].to_arrow().cast(integers),
        "labels": pa.array(labels, integers),
        "weights": pa.array(weights, pa.list_(pa.float32())),
    }
    return pa.table(lists)
