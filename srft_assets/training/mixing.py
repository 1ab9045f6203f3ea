"""How often rows of a group are drawn: by shares, not by how many rows there are."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

import numpy as np

from srft_assets.errors import SrftError
from srft_assets.outcomes.model import FAILED, Status
from srft_assets.tokens.arm import Mixing
from srft_assets.training.rows import Selection


def groups_of(selection: Selection, mixing: Mixing) -> list[str]:
    """The group of each row that is kept, a key of `mixing.shares`.

    Raises SrftError for a row of no group, and for a group with a share and no row.
    """
    frame = selection.frame
    if mixing.by == "outcome":
        found = [_outcome(Status(status)) for status in frame["status"]]
    else:
        batches = [path.stem for path in selection.files]
        found = [_pattern(batches[file], mixing) for file in frame["file"]]
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


def draw(groups: Sequence[str], shares: Mapping[str, float], wanted: int, seed: int) -> list[int]:
    """`wanted` row numbers, drawn from the groups in proportion to their shares.

    Within a group a row returns only after all others were drawn, each time in a new order.
    Which group comes next is the one furthest behind its share, so that every optimizer step has
    nearly the right mixture. Every group with a share must have a row.
    """
    total = sum(shares.values())
    part = {group: share / total for group, share in shares.items() if share}
    orders = {
        group: _order([row for row, of in enumerate(groups) if of == group], wanted, [seed, place])
        for place, group in enumerate(part)
    }
    drawn = dict.fromkeys(part, 0)
    rows = []
    for count in range(1, wanted + 1):
        group = max(part, key=lambda one: part[one] * count - drawn[one])
        rows.append(orders[group][drawn[group]])
        drawn[group] += 1
    return rows


def _order(rows: Sequence[int], wanted: int, seed: Sequence[int]) -> list[int]:
    generator = np.random.default_rng(seed)
    epochs = -(-wanted // len(rows))
    return np.concatenate([generator.permutation(rows) for _ in range(epochs)]).tolist()


def _outcome(status: Status) -> str:
    if status == Status.RESOLVED:
        return "resolved"
    return "unresolved" if status in FAILED else "ungraded"


def _pattern(batch: str, mixing: Mixing) -> str:
    return next((name for name in mixing.shares if fnmatchcase(batch, name)), batch)
