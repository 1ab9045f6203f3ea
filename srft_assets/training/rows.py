"""Which rows of `masked_tokens` partitions are trained on."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from srft_assets.refusal import Refusal
from srft_assets.tokens.cap import within_cap
from srft_assets.tokens.schema import MASKED_TOKENS
from srft_assets.training.job import Choice
from srft_assets.warehouse.doubles import counted_once


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows are trained on.

    Attributes:
        frame: the rows that are kept, in file and row order: `file` (index into `files`), `row`,
            `trajectory_id`, `instance_id`, `status`, `n_tokens`, `n_trained` (tokens), and
            `weight`, the sum of the loss weights of the trained tokens.
        without_loss: rows dropped because no token of theirs is trained.
        left_out: rows of runs that an earlier file holds too, or that are too many of one task.
        refused: rows that are longer than the limit.
    """

    files: Sequence[Path]
    frame: pl.DataFrame
    without_loss: int
    refused: tuple[Refusal, ...]
    left_out: int = 0

    @property
    def tokens(self) -> int:
        """Tokens of the kept rows."""
        return int(self.frame["n_tokens"].sum())

    @property
    def trained_tokens(self) -> int:
        """Tokens of the kept rows that carry loss."""
        return int(self.frame["n_trained"].sum())


def select_rows(files: Sequence[Path], max_length: int, choice: Choice | None = None) -> Selection:
    """Judge every row by its length and its trained spans; ids are not kept in memory.

    The first token of a row has nothing before it that could predict it and is never counted.
    The choice is made among the rows that can be trained on.
    """
    choice = choice or Choice()
    frames = [_survey(path, number, choice.dedup) for number, path in enumerate(files)]
    rows = pl.concat(frames)
    long = rows.filter(pl.col("n_tokens") > max_length)
    rows = rows.filter(pl.col("n_tokens") <= max_length)
    usable = rows.filter(pl.col("weight") > 0)
    kept = _chosen(usable, choice)
    return Selection(
        files=files,
        frame=kept,
        without_loss=rows.height - usable.height,
        refused=tuple(_refusal(files, row, max_length) for row in long.iter_rows(named=True)),
        left_out=usable.height - kept.height,
    )


def _chosen(rows: pl.DataFrame, choice: Choice) -> pl.DataFrame:
    rows = counted_once(rows, "file")
    if choice.dedup:
        by_run = rows.group_by("trajectory_id", maintain_order=True)
        first = by_run.agg("ids").filter(pl.col("ids").is_first_distinct())
        rows = rows.filter(pl.col("trajectory_id").is_in(first["trajectory_id"].implode()))
    if choice.per_instance is not None:
        cells = rows.select("trajectory_id", "instance_id")
        rows = rows.filter(within_cap(cells, choice.per_instance, choice.seed))
    return rows.drop("ids")


def scan_rows(path: Path) -> pl.LazyFrame:
    """The partition; what files of earlier versions lack is null."""
    return pl.scan_parquet(
        path,
        schema=MASKED_TOKENS,
        hive_partitioning=False,
        glob=False,
        missing_columns="insert",
        extra_columns="ignore",
        cast_options=pl.ScanCastOptions(missing_struct_fields="insert"),
    )


def _survey(path: Path, number: int, dedup: bool) -> pl.DataFrame:
    span = pl.element().struct
    start = span.field("start").clip(lower_bound=1)
    length = (span.field("end") - start).clip(lower_bound=0)
    trained = length * span.field("trained").cast(pl.Int32)
    weight = trained * span.field("weight").cast(pl.Float64).fill_null(1)
    spans, ids = pl.col("spans").list, pl.col("input_ids")
    return (
        scan_rows(path)
        .select(
            pl.lit(number, pl.Int32).alias("file"),
            pl.int_range(pl.len(), dtype=pl.Int64).alias("row"),
            "trajectory_id",
            "instance_id",
            "status",
            ids.list.len().cast(pl.Int64).alias("n_tokens"),
            spans.eval(trained).list.sum().cast(pl.Int64).alias("n_trained"),
            spans.eval(weight).list.sum().cast(pl.Float64).alias("weight"),
            (ids.hash() if dedup else pl.lit(None, pl.UInt64)).alias("ids"),
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
