"""Rows of `masked_tokens` partitions as a training set: chosen, counted, labelled."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from srft_assets.errors import SrftError
from srft_assets.refusal import Refusal

IGNORED = -100
"""Label of a token without loss (PyTorch's `ignore_index`)."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows are trained on.

    Attributes:
        frame: `file` (index into `files`), `row`, `trajectory_id`, `n_tokens`, `n_trained` of
            the rows that are kept, in file and row order.
        without_loss: rows dropped because no token of theirs is trained.
        refused: rows that are longer than the limit.
    """

    files: Sequence[Path]
    frame: pl.DataFrame
    without_loss: int
    refused: tuple[Refusal, ...]

    @property
    def tokens(self) -> int:
        """Tokens of the kept rows."""
        return int(self.frame["n_tokens"].sum())

    @property
    def trained_tokens(self) -> int:
        """Tokens of the kept rows that carry loss."""
        return int(self.frame["n_trained"].sum())


def select_rows(files: Sequence[Path], max_length: int) -> Selection:
    """Judge every row by its length and its trained spans; ids are not kept in memory.

    The first token of a row has nothing before it that could predict it and is never counted.
    """
    frames = [_survey(path, number) for number, path in enumerate(files)]
    rows = pl.concat(frames)
    long = rows.filter(pl.col("n_tokens") > max_length)
    rows = rows.filter(pl.col("n_tokens") <= max_length)
    kept = rows.filter(pl.col("n_trained") > 0)
    return Selection(
        files=files,
        frame=kept,
        without_loss=rows.height - kept.height,
        refused=tuple(_refusal(files, row, max_length) for row in long.iter_rows(named=True)),
    )


def _survey(path: Path, number: int) -> pl.DataFrame:
    start = pl.element().struct.field("start").clip(lower_bound=1)
    length = (pl.element().struct.field("end") - start).clip(lower_bound=0)
    trained = pl.element().struct.field("trained").cast(pl.Int32)
    return (
        pl.scan_parquet(path, hive_partitioning=False)
        .select(
            pl.lit(number, pl.Int32).alias("file"),
            pl.int_range(pl.len(), dtype=pl.Int64).alias("row"),
            "trajectory_id",
            pl.col("input_ids").list.len().cast(pl.Int64).alias("n_tokens"),
            pl.col("spans")
            .list.eval(length * trained)
            .list.sum()
            .cast(pl.Int64)
            .alias("n_trained"),
        )
        .collect()
    )


def _refusal(files: Sequence[Path], row: dict[str, Any], max_length: int) -> Refusal:
    path = files[row["file"]]
    return Refusal(
        source=f"{path.parent.parent.name}/{path.parent.name}/{path.stem}",
        row=row["row"],
        subject=row["trajectory_id"],
        reason=f"{row['n_tokens']} tokens, but training.max_length is {max_length}: "
        "raise max_length, or cut the run",
    )


def load_rows(selection: Selection) -> pa.Table:
    """The kept rows as Arrow lists of int32, `input_ids` and `labels`."""
    tables = [
        _labelled(path, selection.frame.filter(pl.col("file") == number)["row"])
        for number, path in enumerate(selection.files)
    ]
    return pa.concat_tables(tables).combine_chunks()


def _labelled(path: Path, rows: pl.Series) -> pa.Table:
    frame = pl.read_parquet(path, columns=["input_ids", "spans"], hive_partitioning=False)[rows]
    lengths = frame["input_ids"].list.len().to_numpy().astype(np.int64)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    ids = frame["input_ids"].explode(empty_as_null=False).to_numpy().astype(np.int32)
    labels = np.full(len(ids), IGNORED, dtype=np.int32)
    for number, spans in enumerate(frame["spans"].to_list()):
        for span in spans:
            if not 0 <= span["start"] <= span["end"] <= lengths[number]:
                raise SrftError(
                    f"{path}, row {rows[number]}: span {span['start']}..{span['end']} is outside "
                    f"its {lengths[number]} tokens; materialize masked_tokens again"
                )
            if span["trained"]:
                where = slice(offsets[number] + span["start"], offsets[number] + span["end"])
                labels[where] = ids[where]
    labels[offsets[:-1]] = IGNORED
    ends = pa.array(offsets, pa.int32())
    return pa.table(
        {
            "input_ids": pa.ListArray.from_arrays(ends, pa.array(ids)),
            "labels": pa.ListArray.from_arrays(ends, pa.array(labels)),
        }
    )
