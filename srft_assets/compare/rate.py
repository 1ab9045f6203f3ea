"""The resolution rate of one arm."""

from dataclasses import dataclass
from typing import Literal

from srft_assets.compare.bootstrap import DRAWS, SEED, interval_of, resampled_ratio
from srft_assets.compare.cells import Cells
from srft_assets.compare.pass_at_k import pass_at_k
from srft_assets.compare.wilson import wilson_interval


@dataclass(frozen=True, slots=True)
class Rate:
    """Attributes:
    scored: attempts that count, over all tasks and seeds.
    resolved: those whose patch passes the tests.
    rate: resolved / scored, 0 to 1: every attempt weighs the same.
    low, high: ends of the interval.
    method: `wilson` for one attempt a task, whose attempts are independent; `bootstrap` over
        tasks and seeds for several.
    """

    scored: int
    resolved: int
    rate: float
    low: float
    high: float
    method: Literal["wilson", "bootstrap"]


def rate_of(
    cells: Cells, *, draws: int = DRAWS, seed: int = SEED, confidence: float = 0.95
) -> Rate:
    """Rate and interval. `cells` holds at least one scored attempt.

    Where all attempts at all tasks end alike, resamples cannot differ; the interval is then
    Wilson's for as many trials as there are tasks, since attempts at one task may be alike.
    """
    scored, resolved = int(cells.scored.sum()), int(cells.resolved.sum())
    found = None
    trials = (resolved, scored) if cells.single else _trials_of_tasks(cells, resolved, scored)
    if trials is None:
        seen = resampled_ratio(cells.resolved, cells.scored, draws, seed)
        found = interval_of(seen, confidence, (0.0, 1.0))
    low, high = found or wilson_interval(*(trials or (0, 0)), confidence) or (0.0, 1.0)
    method: Literal["wilson", "bootstrap"] = "wilson" if found is None else "bootstrap"
    return Rate(scored, resolved, resolved / scored, low, high, method)


def _trials_of_tasks(cells: Cells, resolved: int, scored: int) -> tuple[int, int] | None:
    tasks = len(cells.tasks)
    return {0: (0, tasks), scored: (tasks, tasks)}.get(resolved)


def mean_pass_at_k(cells: Cells, k: int) -> float | None:
    """Mean pass@k over tasks and seeds; attempts of different seeds are never pooled.

    None where k exceeds the scored attempts at some task.
    """
    pairs = zip(cells.scored.flat, cells.resolved.flat, strict=True)
    counts = [(int(scored), int(resolved)) for scored, resolved in pairs if scored]
    if any(scored < k for scored, _ in counts):
        return None
    return sum(pass_at_k(scored, resolved, k) for scored, resolved in counts) / len(counts)


def fewest_attempts(cells: Cells) -> int:
    """Scored attempts at the task and seed that has the fewest of them, at least one."""
    return int(cells.scored[cells.scored > 0].min())
