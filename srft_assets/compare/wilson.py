"""Confidence interval of a resolution rate."""

from math import sqrt
from statistics import NormalDist


def wilson_interval(
    successes: int, trials: int, confidence: float = 0.95
) -> tuple[float, float] | None:
    """Score interval of a proportion (Wilson 1927), as (low, high) within 0 and 1.

    Unlike the normal approximation it holds for few trials and for rates of 0 and 1.
    None where there are no trials. Raises ValueError unless 0 ≤ successes ≤ trials.
    """
    if not 0 <= successes <= trials:
        raise ValueError(f"{successes} successes in {trials} trials")
    if trials == 0:
        return None
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    rate = successes / trials
    scale = 1 + z * z / trials
    middle = (rate + z * z / (2 * trials)) / scale
    half = z / scale * sqrt(rate * (1 - rate) / trials + z * z / (4 * trials * trials))
    low = middle - half if successes else 0.0
    high = middle + half if successes < trials else 1.0
    return max(0.0, low), min(1.0, high)
