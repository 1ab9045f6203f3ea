"""Holm's correction for testing several hypotheses."""

from collections.abc import Sequence


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjusted p-values (Holm 1979) in the order given; None stays None and is no test.

    Whoever calls differences real where the adjusted value is below 0.05 calls a difference that
    is none real in at most 5% of such families, however the tests depend on one another. Raises
    ValueError for a value outside 0 to 1.
    """
    ranked = sorted((value, place) for place, value in enumerate(p_values) if value is not None)
    if any(not 0 <= value <= 1 for value, _ in ranked):
        raise ValueError(f"p-values lie between 0 and 1: {list(p_values)}")
    adjusted: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (value, place) in enumerate(ranked):
        highest = max(highest, min(1.0, value * (len(ranked) - rank)))
        adjusted[place] = highest
    return adjusted
