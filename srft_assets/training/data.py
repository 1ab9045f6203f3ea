"""The rows of a job as token ids, labels and loss weights, and the forward passes they meet in."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from srft_assets.critic.verdict import Label
from srft_assets.errors import SrftError
from srft_assets.tokens.token_labels import IGNORED, Span, SpanError, label_tokens
from srft_assets.training.job import HeldOut, Layout, Part, TrainingJob
from srft_assets.warehouse.partitions import Warehouse

WEIGHTS = "weights"
"""Column of the loss weights: float32, shaped like `labels`."""
STEP_LABELS = "step_labels"
"""Column of the label of the step that a token is of: int32, shaped like `labels`; see `CODES`."""
CODES = {str(label): code for code, label in enumerate(Label, 1)}
"""Label → its number in `STEP_LABELS`, which is 0 without a label."""

INTEGERS, FLOATS = pa.list_(pa.int32()), pa.list_(pa.float32())

Group = list[int]


def load_rows(job: TrainingJob) -> tuple[pa.Table, list[int]]:
    """The job's rows as Arrow lists, and the ids that end turns of theirs, most frequent first.

    The lists are `input_ids` and `labels` (int32). Where not all trained tokens weigh the same
    there are `weights` (float32) too, 0 where there is no loss. Raises SrftError for a span
    outside its row, and where a partition is not any more the one that the rows were chosen from.
    """
    rows = list(_labelled(job.warehouse, job.asset, job.parts))
    columns = {
        "input_ids": pa.array([row.tokens for row in rows], INTEGERS),
        "labels": pa.array([row.labels for row in rows], INTEGERS),
    }
    scaled = any(part.scales for part in job.parts)
    if scaled or any(((row.labels != IGNORED) != row.weights).any() for row in rows):
        columns[WEIGHTS] = pa.array([row.weights for row in rows], FLOATS)
    ends = Counter(int(row.tokens[span.end - 1]) for row in rows for span in row.spans if span.end)
    return pa.table(columns), [end for end, _ in ends.most_common()]


def load_held_out(job: TrainingJob, held_out: HeldOut, ranks: int) -> pa.Table:
    """The rows that are scored, as `load_rows` has those that are trained on; raises as that.

    But `labels` has the ids of all assistant turns, whether or not they carry loss in training,
    and `weights` and `step_labels` are always there. With several processes (`ranks`) the last
    row, without a label, is for those that run out of rows; see `scored_groups`.
    """
    rows, steps = list(_labelled(job.warehouse, held_out.asset, held_out.parts)), []
    labels, weights = [], [row.weights for row in rows]
    for row in rows:
        coded = [replace(s, trained=True, weight=CODES.get(s.label or "", 0)) for s in row.spans]
        of_turns, codes = label_tokens(row.tokens, coded)
        labels.append(of_turns)
        steps.append(codes.astype(np.int32))
    tokens = [row.tokens for row in rows]
    if ranks > 1:
        none = np.zeros(1, np.int32)
        tokens, labels = [*tokens, tokens[0][:1]], [*labels, none + IGNORED]
        weights, steps = [*weights, none.astype(np.float32)], [*steps, none]
    return pa.table(
        {
            "input_ids": pa.array(tokens, INTEGERS),
            "labels": pa.array(labels, INTEGERS),
            WEIGHTS: pa.array(weights, FLOATS),
            STEP_LABELS: pa.array(steps, INTEGERS),
        }
    )


@dataclass(frozen=True, slots=True)
class _Row:
    """One row; `labels` and `weights` as `label_tokens` has them, these scaled by its part."""

    tokens: np.ndarray
    spans: list[Span]
    labels: np.ndarray
    weights: np.ndarray


def _labelled(root: Path, asset: str, parts: Sequence[Part]) -> Iterator[_Row]:
    warehouse, columns = Warehouse(root), ["input_ids", "spans"]
    for part in parts:
        rows = warehouse.read(asset, part.batch, columns, version=part.version)[part.rows]
        scales = part.scales or [1.0] * rows.height
        for number, ids, stated, scale in zip(
            part.rows, rows["input_ids"], rows["spans"], scales, strict=True
        ):
            tokens, spans = ids.to_numpy().astype(np.int32), [Span(**span) for span in stated]
            try:
                labels, weights = label_tokens(tokens, spans)
            except SpanError as error:
                raise SrftError(
                    f"{asset}/{part.batch}, row {number}: {error}; materialize masked_tokens again"
                ) from error
            scaled = (np.float64(scale) * weights).astype(np.float32)
            yield _Row(tokens, spans, labels, scaled)


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

    positions = partial(_positions, lengths, layout)

    def split_to(wanted: int, groups: list[Group]) -> list[Group]:
        while len(groups) < wanted:
            splittable = (number for number, group in enumerate(groups) if len(group) > 1)
            largest = max(splittable, key=lambda number: positions(groups[number]))
            half = len(groups[largest]) // 2
            groups[largest : largest + 1] = [groups[largest][:half], groups[largest][half:]]
        return groups

    cuts = [_cut(rows, positions, micro_batch_tokens) for rows in steps]
    per_step = -(-max(len(groups) for groups in cuts) // ranks) * ranks
    groups = [group for step in cuts for group in split_to(per_step, step)]
    step_tokens = [sum(lengths[row] for row in rows) for rows in steps]
    padding = 1 - sum(step_tokens) / sum(positions(group) for group in groups)
    return Plan(groups, per_step, step_tokens, padding, layout)


def scored_groups(
    lengths: Sequence[int],
    *,
    micro_batch_tokens: int,
    layout: Layout = "packed",
    rank: int = 0,
    ranks: int = 1,
) -> list[Group]:
    """Row numbers of each forward pass of one process over the rows of `load_held_out`.

    The groups are the same however many processes share them, so that their losses are too. All
    have as many: who is out of groups passes the last row, which has no label.
    """
    rows = len(lengths) - (ranks > 1)
    order = sorted(range(rows), key=lambda row: lengths[row])
    groups = _cut(order, partial(_positions, lengths, layout), micro_batch_tokens)
    groups += [[rows]] * (-len(groups) % ranks)
    return groups[rank::ranks]


def _positions(lengths: Sequence[int], layout: Layout, group: Group) -> int:
    """Token positions that a forward pass of these rows computes."""
    sizes = [lengths[row] for row in group]
    return sum(sizes) if layout == "packed" else max(sizes) * len(sizes)


def _cut(rows: Group, positions: Callable[[Group], int], most: int) -> list[Group]:
    """The rows in their order, in groups of at most so many positions; a larger row alone."""
    groups: list[Group] = [[]]
    for row in rows:
        if groups[-1] and positions([*groups[-1], row]) > most:
            groups.append([])
        groups[-1].append(row)
    return groups
