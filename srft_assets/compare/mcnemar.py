"""McNemar's test of two arms on the same tasks."""

from math import comb


def mcnemar(only_a: int, only_b: int) -> float:
    """Exact two-sided p-value of McNemar's test (1947).

    `only_a` and `only_b` count the discordant pairs: tasks that one arm alone resolves. Under the
    null hypothesis each falls to either side with chance 1/2, so the p-value is binomial; tasks
    that both or neither resolve say nothing. 1.0 where no pair is discordant. Raises ValueError
    for a negative count.
    """
    if min(only_a, only_b) < 0:
        raise ValueError(f"{only_a} and {only_b} discordant pairs")
    total = only_a + only_b
    tail = sum(comb(total, count) for count in range(min(only_a, only_b) + 1))
    return min(1.0, 2 * tail / 2**total)


def fewest_discordant(alpha: float) -> int:
    """Discordant pairs, all to one side, that the exact test needs for a p-value below `alpha`."""
    count = 1
    while mcnemar(count, 0) >= alpha:
        count += 1
    return count
