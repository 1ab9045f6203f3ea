"""Choosing steps to label: stratified, without replacement, the same for the same seed."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from random import Random
from typing import TypeVar

S = TypeVar("S", bound=Hashable)
T = TypeVar("T")


def allocate(sizes: Mapping[S, int], total: int, floor: int) -> dict[S, int]:
    """How many to take from each stratum, together `total` or all there are.

    Every stratum gives `floor` first (all it has where it has fewer; less than `floor` where
    `total` does not go round), and the rest is shared in proportion to what is left, by largest
    remainders; among equals, strata that stand first in `sizes` get more.
    """
    total = min(total, sum(sizes.values()))
    floor = min(floor, total // max(1, len(sizes)))
    taken = {stratum: min(size, floor) for stratum, size in sizes.items()}
    rest = total - sum(taken.values())
    left = sum(sizes.values()) - sum(taken.values())
    if rest == 0:
        return taken
    shares = {stratum: rest * (sizes[stratum] - taken[stratum]) / left for stratum in sizes}
    for stratum, share in shares.items():
        taken[stratum] += int(share)
    by_remainder = sorted(shares, key=lambda stratum: -(shares[stratum] % 1))
    rest = total - sum(taken.values())
    for stratum in [one for one in by_remainder if taken[one] < sizes[one]][:rest]:
        taken[stratum] += 1
    return taken


def stratified(items: Iterable[tuple[S, T]], size: int, floor: int, seed: int) -> list[T]:
    """`size` of the items, each at most once; an item comes with its stratum.

    The order of the items decides nothing but the order of equals: sort them beforehand.
    """
    strata: dict[S, list[T]] = defaultdict(list)
    for stratum, item in items:
        strata[stratum].append(item)
    order = sorted(strata, key=str)
    Random(seed).shuffle(order)
    counts = allocate({stratum: len(strata[stratum]) for stratum in order}, size, floor)
    return [
        item
        for stratum in order
        for item in Random(f"{seed}/{stratum}").sample(strata[stratum], counts[stratum])
    ]
