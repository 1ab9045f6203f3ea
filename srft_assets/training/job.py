"""What is trained: the rows of an arm, chosen once by the parent, and the job that states them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from srft_assets.errors import Refusal, SrftError
from srft_assets.outcomes.status import FAILED, Status
from srft_assets.tokens.arm import ArmSpec, Mixing, TrainingSpec
from srft_assets.tokens.run_choice import within_cap
from srft_assets.tokens.token_labels import MASKED_TOKENS
from srft_assets.warehouse.recipe import digest
from srft_assets.warehouse.sql import counted_once

Layout = Literal["packed", "padded"]
"""Rows of a forward pass laid end to end, or padded to the longest of them."""


class Part(BaseModel):
    """The rows of one partition of `masked_tokens` that are trained on."""

    model_config = ConfigDict(extra="forbid")

    batch: str
    version: str
    """Data version of the partition from which they were chosen."""
    rows: list[int]
    """Row numbers, ascending."""
    scales: list[float] | None = None
    """Factor of the loss weights of each row; None: 1."""


class TrainingJob(BaseModel):
    """Everything that one training needs; `python -m srft_assets.training.main job.json`."""

    model_config = ConfigDict(extra="forbid")

    base_model: str
    """Folder of a base model, or a Hugging Face id."""
    warehouse: Path
    """Folder of the platform's partitions."""
    asset: str
    """`masked_tokens/<arm>`."""
    parts: list[Part]
    """The rows that are trained on. They are numbered from 0 over all parts."""
    order: list[int]
    """Numbers of the rows in the order of training, `batch_size` for each optimizer step."""
    output: Path
    """Folder of the checkpoint; it appears whole or not at all."""
    method: Literal["full", "lora", "qlora"] = "full"
    max_steps: int = Field(default=150, ge=1)
    """Optimizer steps."""
    batch_size: int = Field(default=16, ge=1)
    """Rows of one optimizer step."""
    micro_batch_tokens: int = Field(default=4096, ge=1)
    """Tokens of one forward pass; a longer row stands alone. Does not change the loss."""
    learning_rate: float = Field(default=1e-3, ge=0)
    """At its peak. 0 leaves the weights as they are: the base model as a checkpoint."""
    warmup_ratio: float = Field(default=0.1, ge=0, le=1)
    lora_rank: int = Field(default=16, ge=1)
    lora_alpha: int = Field(default=32, ge=1)
    seed: int = 0
    save_seconds: float = Field(default=60.0, ge=0)
    """A resumable state is saved when so much time has gone by since the last one."""
    report_to: list[str] = Field(default_factory=list)
    """Trackers that also hear of the curves, as transformers names them."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Further arguments of TRL's SFTConfig."""

    @property
    def partial(self) -> Path:
        """Folder of an unfinished training's state, beside the output."""
        return self.output.parent / f"{self.output.name}.partial"

    @property
    def identity(self) -> str:
        """Digest of all that decides the weights, but for the rounding of sums; a state of
        another identity is not resumed."""
        outside = {"micro_batch_tokens", "save_seconds", "report_to"}
        return digest(self.model_dump(mode="json", exclude=outside))


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows are trained on.

    Attributes:
        rows: those that are kept, in order of partition and row: `batch`, `row` (its number in
            the partition), `trajectory_id`, `instance_id`, `status`, `n_tokens`, `n_trained`
            (tokens), and `weight`, the sum of the loss weights of the trained tokens.
        without_loss: rows dropped because no token of theirs is trained.
        left_out: rows of runs that an earlier batch holds too, or that are too many of one task.
        refused: rows that are longer than the limit.
    """

    rows: pl.DataFrame
    without_loss: int
    left_out: int
    refused: tuple[Refusal, ...]

    def parts(self, versions: Mapping[str, str], normalise: Literal["token", "run"]) -> list[Part]:
        """The rows by partition; `versions` has the data version of each batch.

        With `run` the weights are scaled so that those of each run, over all its rows, have the
        same sum; on the average they stay as they are.
        """
        rows = self.rows
        if normalise == "run":
            of_run = pl.col("weight").sum().over("trajectory_id")
            mean = pl.col("weight").sum() / pl.col("trajectory_id").n_unique()
            rows = rows.with_columns(scale=mean / of_run)
        return [
            Part(
                batch=batch,
                version=versions[batch],
                rows=own["row"].to_list(),
                scales=own["scale"].to_list() if normalise == "run" else None,
            )
            for (batch,), own in rows.group_by("batch", maintain_order=True)
        ]


def select_rows(arm: ArmSpec, partitions: Iterable[tuple[str, pl.DataFrame]]) -> Selection:
    """Choose the rows that an arm trains on, from its `masked_tokens` by batch, in order.

    Too long rows are refused, and rows without loss dropped; the arm's `dedup` and `per_instance`
    hold among the rest, over all batches.
    """
    rows = pl.concat([_survey(batch, frame) for batch, frame in partitions])
    limit = arm.training.max_length
    long = rows.filter(pl.col("n_tokens") > limit)
    rows = rows.filter(pl.col("n_tokens") <= limit)
    usable = rows.filter(pl.col("weight") > 0)
    kept = _chosen(usable, arm)
    return Selection(
        rows=kept,
        without_loss=rows.height - usable.height,
        left_out=usable.height - kept.height,
        refused=tuple(
            Refusal(
                source=f"masked_tokens/{arm.name}/{row['batch']}",
                row=row["row"],
                subject=row["trajectory_id"],
                reason=f"{row['n_tokens']} tokens, but training.max_length is {limit}: "
                "raise max_length, or cut the run",
            )
            for row in long.iter_rows(named=True)
        ),
    )


def held_out_batches(rows: pl.DataFrame, task_seed: int) -> list[str]:
    """Batches of which some rows are runs of generated tasks of this seed, sorted."""
    of_seed = pl.col("instance_id").str.contains(rf"^lab__\w+-{task_seed}-\d+$")
    return sorted(rows.filter(of_seed)["batch"].unique())


def _survey(batch: str, frame: pl.DataFrame) -> pl.DataFrame:
    """One line a row. Its first token, which nothing predicts, is not counted as trained."""
    # Partitions that an earlier version made lack weights; those count as null.
    frame = frame.match_to_schema(
        MASKED_TOKENS,
        missing_columns="insert",
        missing_struct_fields="insert",
        extra_columns="ignore",
        extra_struct_fields="ignore",
    )
    span = pl.element().struct
    start = span.field("start").clip(lower_bound=1)
    length = (span.field("end") - start).clip(lower_bound=0)
    trained = length * span.field("trained").cast(pl.Int32)
    weight = trained * span.field("weight").cast(pl.Float64).fill_null(1)
    spans = pl.col("spans").list
    return frame.select(
        pl.lit(batch).alias("batch"),
        pl.int_range(pl.len(), dtype=pl.Int64).alias("row"),
        "trajectory_id",
        "instance_id",
        "status",
        pl.col("n_tokens").cast(pl.Int64),
        spans.eval(trained).list.sum().cast(pl.Int64).alias("n_trained"),
        spans.eval(weight).list.sum().cast(pl.Float64).alias("weight"),
        pl.col("input_ids").hash().alias("ids"),
    )


def _chosen(rows: pl.DataFrame, arm: ArmSpec) -> pl.DataFrame:
    rows = counted_once(rows)
    if arm.dedup:
        by_run = rows.group_by("trajectory_id", maintain_order=True)
        first = by_run.agg("ids").filter(pl.col("ids").is_first_distinct())
        rows = rows.filter(pl.col("trajectory_id").is_in(first["trajectory_id"].implode()))
    if arm.per_instance is not None:
        cells = rows.select("trajectory_id", "instance_id")
        rows = rows.filter(within_cap(cells, arm.per_instance, arm.seed))
    return rows.drop("ids")


def order_of(rows: pl.DataFrame, training: TrainingSpec, seed: int) -> list[int]:
    """Numbers of `Selection.rows` in the order of training, for all optimizer steps.

    Every row equally often, or as `mixing` says. Raises SrftError as `groups_of`.
    """
    mixing, batch_size = training.mixing, training.batch_size
    if mixing is None:
        return shuffled(range(rows.height), steps_of(training, rows.height) * batch_size, seed)
    groups = groups_of(rows, mixing)
    drawn_from = sum(mixing.shares[group] > 0 for group in groups)
    return draw(groups, mixing.shares, steps_of(training, drawn_from) * batch_size, seed)


def steps_of(training: TrainingSpec, rows: int) -> int:
    """Optimizer steps over so many rows. The last one of the `epochs` is filled up with rows of a
    further one."""
    if training.epochs is None:
        return training.max_steps
    return max(1, -(-round(training.epochs * rows) // training.batch_size))


def shuffled(rows: Sequence[int], wanted: int, seed: int | Sequence[int]) -> list[int]:
    """`wanted` of the rows: all of them in a random order, then all in another one, and so on."""
    generator = np.random.default_rng(seed)
    epochs = max(1, -(-wanted // len(rows)))
    return np.concatenate([generator.permutation(rows) for _ in range(epochs)])[:wanted].tolist()


def groups_of(rows: pl.DataFrame, mixing: Mixing) -> list[str]:
    """The group of each of `Selection.rows`, a key of `mixing.shares`.

    Raises SrftError for a row of no group, and for a group with a share and no row.
    """
    if mixing.by == "outcome":
        found = [_outcome(Status(status)) for status in rows["status"]]
    else:
        found = [
            next((pattern for pattern in mixing.shares if fnmatchcase(batch, pattern)), batch)
            for batch in rows["batch"]
        ]
    strays = sorted(set(found) - mixing.shares.keys())
    if strays:
        raise SrftError(
            f"training.mixing has no share for {strays[0]!r}, of which there are "
            f"{found.count(strays[0])} rows: give it one, 0 to leave them out"
        )
    for group, share in mixing.shares.items():
        if share and group not in found:
            raise SrftError(f"training.mixing: there is no row of {group!r} to draw")
    return found


def _outcome(status: Status) -> str:
    if status == Status.RESOLVED:
        return "resolved"
    return "unresolved" if status in FAILED else "ungraded"


def draw(groups: Sequence[str], shares: Mapping[str, float], wanted: int, seed: int) -> list[int]:
    """`wanted` row numbers, drawn from the groups in proportion to their shares.

    Within a group a row returns only after all others were drawn, each time in a new order.
    Which group comes next is the one furthest behind its share, so that every optimizer step has
    nearly the right mixture. Every group with a share must have a row.
    """
    total = sum(shares.values())
    parts = {group: share / total for group, share in shares.items() if share}
    orders = {}
    for place, group in enumerate(parts):
        own = [row for row, of in enumerate(groups) if of == group]
        orders[group] = shuffled(own, wanted, [seed, place])
    drawn = dict.fromkeys(parts, 0)
    rows = []
    for count in range(1, wanted + 1):
        group = max(parts, key=lambda one: parts[one] * count - drawn[one])
        rows.append(orders[group][drawn[group]])
        drawn[group] += 1
    return rows
