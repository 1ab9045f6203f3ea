"""What is trained, as the parent states it: rows, their order, settings."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
from pydantic import BaseModel, Field

from srft_assets.errors import SrftError
from srft_assets.outcomes.status import FAILED, Status
from srft_assets.tokens.arm import Mixing, TrainingSpec, Validation
from srft_assets.warehouse.recipe import digest

Layout = Literal["packed", "padded"]
"""Rows of a forward pass laid end to end, or padded to the longest of them."""


VALIDATIONS = 10
"""Of a training whose arm does not say how often, beside the one before its first step."""


class Part(BaseModel, extra="forbid"):
    """The rows of one partition of `masked_tokens` that are trained on."""

    batch: str
    version: str
    """Data version of the partition from which they were chosen."""
    rows: list[int]
    """Row numbers, ascending."""
    scales: list[float] | None = None
    """Factor of the loss weights of each row; None: 1."""


class HeldOut(BaseModel, extra="forbid"):
    """The rows of held-out tasks, and what their loss decides."""

    asset: str
    """`masked_tokens/<arm>` that the rows are of."""
    parts: list[Part]
    tasks: list[str]
    """Held out of the training, whether or not it has rows of them."""
    every: int = Field(ge=1)
    """Optimizer steps between two validations."""
    patience: int | None = Field(default=None, ge=1)
    keep: Literal["best", "last"] = "last"


class TrainingJob(BaseModel, extra="forbid"):
    """Everything that one training needs; `python -m srft_assets.training.main job.json`."""

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
    validation: HeldOut | None = None
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
        another identity is not resumed. Folders of one machine are not in it: the output's name
        is the fingerprint of the recipe, and so of a base model's files."""
        outside = {"micro_batch_tokens", "save_seconds", "report_to", "warehouse", "output"}
        if Path(self.base_model).is_dir():
            outside.add("base_model")
        if self.validation is None:
            outside.add("validation")
        stated = self.model_dump(mode="json", exclude=outside)
        return digest(stated | {"recipe": self.output.name})


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


def every_of(validation: Validation, steps: int) -> int:
    """Optimizer steps between two validations, of so many in all."""
    return validation.every or max(1, round(steps / VALIDATIONS))


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
