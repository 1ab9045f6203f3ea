"""The chosen rows as a table of token ids, labels and loss weights."""

from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
import pyarrow as pa

from srft_assets.errors import SrftError
from srft_assets.tokens.row import IGNORED
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
    lengths = frame["input_ids"].list.len().to_numpy().astype(np.int64)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    ids = frame["input_ids"].explode(empty_as_null=False).to_numpy().astype(np.int32)
    labels = np.full(len(ids), IGNORED, dtype=np.int32)
    weights = np.zeros(len(ids), dtype=np.float32)
    for number, (spans, scale) in enumerate(zip(frame["spans"], rows["scale"], strict=True)):
        for span in spans:
            if not 0 <= span["start"] <= span["end"] <= lengths[number]:
                raise SrftError(
                    f"{path}, row {rows['row'][number]}: span {span['start']}..{span['end']} is "
                    f"outside its {lengths[number]} tokens; materialize masked_tokens again"
                )
            if span["trained"]:
                where = slice(offsets[number] + span["start"], offsets[number] + span["end"])
                labels[where] = ids[where]
                weights[where] = scale * (1 if span["weight"] is None else span["weight"])
    labels[offsets[:-1]] = IGNORED
    weights[offsets[:-1]] = 0
    ends = pa.array(offsets, pa.int32())
    columns = {"input_ids": ids, "labels": labels, "weights": weights}
    lists = {
        name: pa.ListArray.from_arrays(ends, pa.array(cells)) for name, cells in columns.items()
    }
    return pa.table(lists)
