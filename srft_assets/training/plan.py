"""Which rows meet in which optimizer step and forward pass: fixed beforehand by the seed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from srft_assets.errors import SrftError

Layout = Literal["packed", "padded"]
Group = list[int]


@dataclass(frozen=True, slots=True)
class Plan:
    """All forward passes of a training, in order.

    Every optimizer step holds `batch_size` rows, drawn without replacement from one shuffled
    epoch after another, or as `mixing.draw` says. Lengths decide only how the rows of a step are
    grouped, so they do not bias the steps. As the whole order is known, a resumed training goes
    on exactly where the killed one stood.

    Attributes:
        groups: row numbers of each forward pass; `per_step` of them make an optimizer step.
        per_step: forward passes of one optimizer step (gradient accumulation).
        positions: token positions computed over all groups, padding included.
        tokens: real tokens among them.
        layout: rows laid end to end, or padded to the longest of their group.
        ranks: processes that the groups of a step are shared out to; `per_step` is a multiple.
    """

    groups: list[Group]
    per_step: int
    positions: int
    tokens: int
    layout: Layout
    ranks: int = 1

    def of_rank(self, rank: int) -> "Plan":
        """The part of one process: every `ranks`-th group, so that each has about as much."""
        share = self.per_step // self.ranks
        return replace(self, groups=self.groups[rank :: self.ranks], per_step=share)

    @property
    def padding_share(self) -> float:
        """Padding among all positions computed."""
        return 1 - self.tokens / self.positions


def make_plan(
    lengths: Sequence[int],
    *,
    steps: int,
    batch_size: int,
    micro_batch_tokens: int,
    seed: int,
    layout: Layout = "packed",
    order: list[int] | None = None,
    ranks: int = 1,
) -> Plan:
    """Plan `steps` optimizer steps over rows of the given lengths (tokens, each at least 1).

    `order`: the `steps` × `batch_size` rows in the order in which they are drawn.

    Raises SrftError where the rows of a step cannot be shared out evenly to the `ranks`.
    """
    if batch_size % ranks:
        raise SrftError(f"batch_size {batch_size} is no multiple of the {ranks} processes")
    if order is None:
        order = _row_order(len(lengths), steps * batch_size, seed)
    batches = [
        sorted(order[start : start + batch_size], key=lambda row: lengths[row])
        for start in range(0, len(order), batch_size)
    ]
    cut = [_cut(batch, lengths, micro_batch_tokens, layout) for batch in batches]
    per_step = -(-max(len(groups) for groups in cut) // ranks) * ranks
    groups = [group for step in cut for group in _split_to(step, per_step, lengths, layout)]
    return Plan(
        groups=groups,
        per_step=per_step,
        positions=sum(_cost(group, lengths, layout) for group in groups),
        tokens=sum(lengths[row] for row in order),
        layout=layout,
        ranks=ranks,
    )


def _row_order(rows: int, wanted: int, seed: int) -> list[int]:
    generator = np.random.default_rng(seed)
    epochs = -(-wanted // rows)
    return np.concatenate([generator.permutation(rows) for _ in range(epochs)])[:wanted].tolist()


def _cost(group: Group, lengths: Sequence[int], layout: Layout) -> int:
    sizes = [lengths[row] for row in group]
    return sum(sizes) if layout == "packed" else max(sizes) * len(sizes)


def _cut(batch: Group, lengths: Sequence[int], budget: int, layout: Layout) -> list[Group]:
    groups: list[Group] = [[]]
    for row in batch:
        if groups[-1] and _cost([*groups[-1], row], lengths, layout) > budget:
            groups.append([])
        groups[-1].append(row)
    return groups


def _split_to(
    groups: list[Group], wanted: int, lengths: Sequence[int], layout: Layout
) -> list[Group]:
    groups = list(groups)
    while len(groups) < wanted:
        largest = max(
            (number for number, group in enumerate(groups) if len(group) > 1),
            key=lambda number: _cost(groups[number], lengths, layout),
        )
        half = len(groups[largest]) // 2
        groups[largest : largest + 1] = [groups[largest][:half], groups[largest][half:]]
    return groups
