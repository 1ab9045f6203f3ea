"""The rows of a job as token ids, labels and loss weights, and the forward passes they meet in."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from srft_assets.errors import SrftError
from srft_assets.tokens.token_labels import IGNORED, Span, SpanError, label_tokens
from srft_assets.training.job import Layout, Part, TrainingJob
from srft_assets.warehouse.partitions import Warehouse

WEIGHTS = "weights"
"""Column of the loss weights: float32, shaped like `labels`."""

Group = list[int]


def load_rows(job: TrainingJob) -> tuple[pa.Table, list[int]]:
    """The job's rows as Arrow lists, and the ids that end turns of theirs, most frequent first.

    The lists are `input_ids` and `labels` (int32). Where not all trained tokens weigh the same
    there are `weights` (float32) too, 0 where there is no loss. Raises SrftError for a span
    outside its row, and where a partition is not any more the one that the rows were chosen from.
    """
    warehouse = Warehouse(job.warehouse)
    ends: Counter[int] = Counter()
    lists = [row for part in job.parts for row in _labelled(job.asset, part, warehouse, ends)]
    ids, labels, weights = zip(*lists, strict=True)
    int32, float32 = pa.list_(pa.int32()), pa.list_(pa.float32())
    columns = {"input_ids": pa.array(ids, int32), "labels": pa.array(labels, int32)}
    scaled = any(part.scales for part in job.parts)
    if scaled or any(
        ((row != IGNORED) != own).any() for row, own in zip(labels, weights, strict=True)
    ):
        columns[WEIGHTS] = pa.array(weights, float32)
    return pa.table(columns), [end for end, _ in ends.most_common()]


def _labelled(
    asset: str, part: Part, warehouse: Warehouse, ends: Counter[int]
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Ids, labels and weights of each row; `ends` counts the last tokens of turns."""
    columns = ["input_ids", "spans"]
    rows = warehouse.read(asset, part.batch, columns, version=part.version)[part.rows]
    scales = part.scales or [1.0] * rows.height
    for number, ids, spans, scale in zip(
        part.rows, rows["input_ids"], rows["spans"], scales, strict=True
    ):
        tokens = ids.to_numpy().astype(np.int32)
        try:
            labels, weights = label_tokens(tokens, [Span(**span) for span in spans])
        except SpanError as error:
            raise SrftError(
                f"{asset}/{part.batch}, row {number}: {error}; materialize masked_tokens again"
            ) from error
        ends.update(int(tokens[span["end"] - 1]) for span in spans if span["end"])
        yield tokens, labels, (np.float64(scale) * weights).astype(np.float32)


def check_vocabulary(table: pa.Table, embeddings: int) -> None:
    """Raise SrftError where a row holds an id beyond the model's number of embeddings."""
    largest = pc.max(pc.list_flatten(table["input_ids"])).as_py()
    if largest >= embeddings:
        raise SrftError(
            f"token id {largest} is beyond the model's {embeddings} embeddings: "
            "the rows were tokenized for another model; materialize masked_tokens again"
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """The forward passes of a training, of all processes or of one, in order.

    Attributes:
        groups: row numbers of each forward pass; `per_step` of them make an optimizer step.
        per_step: forward passes of one optimizer step (gradient accumulation).
        step_tokens: real tokens of each optimizer step, over all processes.
        padding_share: padding among all token positions computed by all processes.
        layout: rows laid end to end, or padded to the longest of their group.
    """

    groups: list[Group]
    per_step: int
    step_tokens: list[int]
    padding_share: float
    layout: Layout

    def of_rank(self, rank: int, ranks: int) -> "Plan":
        """The part of one process: every `ranks`-th group, so that each has about as much."""
        groups, share = self.groups[rank::ranks], self.per_step // ranks
        return Plan(groups, share, self.step_tokens, self.padding_share, self.layout)


def make_plan(
    order: Sequence[int],
    lengths: Sequence[int],
    *,
    batch_size: int,
    micro_batch_tokens: int,
    layout: Layout = "packed",
    ranks: int = 1,
) -> Plan:
    """Plan one optimizer step for every `batch_size` rows of `order`.

    Lengths (tokens of each row, at least 1) decide only how the rows of a step are grouped, so
    they do not bias the steps. As the whole order is known, a resumed training goes on exactly
    where the killed one stood. All steps have the same number of forward passes, a multiple of
    `ranks`, the processes that they are shared out to. Raises SrftError where the rows of a step
    cannot be shared out evenly.
    """
    if batch_size % ranks:
        raise SrftError(f"batch_size {batch_size} is no multiple of the {ranks} processes")
    steps = [
        sorted(order[start : start + batch_size], key=lambda row: lengths[row])
        for start in range(0, len(order), batch_size)
    ]

    def positions(group: Group) -> int:
        sizes = [lengths[row] for row in group]
        return sum(sizes) if layout == "packed" else max(sizes) * len(sizes)

    def cut(rows: Group) -> list[Group]:
        groups: list[Group] = [[]]
        for row in rows:
            if groups[-1] and positions([*groups[-1], row]) > micro_batch_tokens:
                groups.append([])
            groups[-1].append(row)
        return groups

    def split_to(wanted: int, groups: list[Group]) -> list[Group]:
        while len(groups) < wanted:
            splittable = (number for number, group in enumerate(groups) if len(group) > 1)
            largest = max(splittable, key=lambda number: positions(groups[number]))
            half = len(groups[largest]) // 2
            groups[largest : largest + 1] = [groups[largest][:half], groups[largest][half:]]
        return groups

    cuts = [cut(rows) for rows in steps]
    per_step = -(-max(len(groups) for groups in cuts) // ranks) * ranks
    groups = [group for step in cuts for group in split_to(per_step, step)]
    step_tokens = [sum(lengths[row] for row in rows) for rows in steps]
    padding = 1 - sum(step_tokens) / sum(positions(group) for group in groups)
    return Plan(groups, per_step, step_tokens, padding, layout)
