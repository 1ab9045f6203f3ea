"""Works measured by turns in one process."""

import statistics
import time
from collections.abc import Callable

Seconds = tuple[float, float]
"""Of wall time and of CPU time."""


def timed(work: Callable[[], object]) -> Seconds:
    """Duration of the work; letting go of its result is not part of it."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    seconds = time.perf_counter() - wall, time.process_time() - cpu
    del result
    return seconds


def alternate(rounds: int, *works: Callable[[], object]) -> list[list[Seconds]]:
    """Durations by work and round; in every round each is measured once."""
    by_round = [[timed(work) for work in works] for _ in range(rounds)]
    return [list(column) for column in zip(*by_round, strict=True)]


def ratio(other: list[Seconds], ours: list[Seconds], which: int = 0) -> float:
    """Median over rounds of how many times longer the other took."""
    pairs = zip(other, ours, strict=True)
    return round(statistics.median(a[which] / b[which] for a, b in pairs), 3)
