"""Scores as arrays, and the resolution rate of one arm with its interval."""

from dataclasses import dataclass
from functools import lru_cache
from math import comb
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from srft_assets.compare import DRAWS, SEED
from srft_assets.errors import SrftError

Grid = NDArray[np.float64]
"""[tasks, seeds]."""

COLUMNS = ("arm", "seed", "instance_id", "resolved")
"""What a frame of scores must have; further columns are used where they are there."""


@dataclass(frozen=True, slots=True)
class Cells:
    """The scored attempts of one arm.

    Attributes:
        tasks: sorted instance ids, of the rows.
        seeds: sorted seeds, of the columns.
        scored: [tasks, seeds] attempts that count: the grader did not fail.
        resolved: [tasks, seeds] those whose patch passes the tests.
    """

    tasks: tuple[str, ...]
    seeds: tuple[int, ...]
    scored: Grid
    resolved: Grid

    @property
    def single(self) -> bool:
        """Whether no task has more than one attempt: attempts are independent then."""
        return len(self.seeds) == 1 and bool(self.scored.max(initial=0) <= 1)

    def at(self, tasks: tuple[str, ...], seeds: tuple[int, ...]) -> "Cells":
        """These tasks and seeds only, in this order. Raises KeyError for one that is not there."""
        rows = {task: place for place, task in enumerate(self.tasks)}
        columns = {seed: place for place, seed in enumerate(self.seeds)}
        chosen = np.ix_([rows[task] for task in tasks], [columns[seed] for seed in seeds])
        return Cells(tasks, seeds, self.scored[chosen], self.resolved[chosen])


def cells_of(scores: pl.DataFrame, arm: str) -> Cells:
    """The cells of one arm; rows without `resolved` are no score. The order of rows is nothing.

    Raises SrftError where a column is missing, or the arm has no scores.
    """
    missing = [name for name in COLUMNS if name not in scores.columns]
    if missing:
        raise SrftError(f"scores without a column {missing[0]}: they need {', '.join(COLUMNS)}")
    counts = (
        scores.filter(pl.col("arm") == arm, pl.col("resolved").is_not_null())
        .group_by("instance_id", "seed")
        .agg(pl.len().alias("scored"), pl.col("resolved").sum())
    )
    if counts.is_empty():
        raise SrftError(f"arm {arm} has no scores")
    tasks = tuple(sorted(set(counts["instance_id"])))
    seeds = tuple(sorted(set(counts["seed"])))
    rows = counts["instance_id"].replace_strict(tasks, range(len(tasks)), return_dtype=pl.Int64)
    columns = counts["seed"].replace_strict(seeds, range(len(seeds)), return_dtype=pl.Int64)
    grids = {}
    for name in ("scored", "resolved"):
        grids[name] = np.zeros((len(tasks), len(seeds)))
        grids[name][rows.to_numpy(), columns.to_numpy()] = counts[name].to_numpy()
    return Cells(tasks, seeds, grids["scored"], grids["resolved"])


def resampled_ratio(above: Grid, below: Grid, draws: int = DRAWS, seed: int = SEED) -> Grid:
    """Σ above / Σ below in `draws` resamples of tasks and of seeds: [draws].

    All seeds share the tasks, so tasks are drawn with the attempts of all seeds, seeds with those
    at all tasks, each with replacement and as many as there are, and the two deviations from the
    ratio are added. Drawing both into one resample (Owen's pigeonhole bootstrap, Annals of Applied
    Statistics 2007) counts the chance of a single attempt three times; this counts it
    2 − 1/seeds times, and the seeds' own spread (seeds − 1)/seeds times. A single seed is kept:
    what others would do cannot be seen in it. Draws that hold nothing are left out.
    """
    tasks, seeds = above.shape
    ratio = above.sum() / below.sum()
    with np.errstate(invalid="ignore", divide="ignore"):
        found = _ratios(above, below, 1, drawn(tasks, draws, seed))
        if seeds > 1:
            found += _ratios(above, below, 0, drawn(seeds, draws, seed + 1)) - ratio
    return found[~np.isnan(found)]


def _ratios(above: Grid, below: Grid, axis: int, weights: Grid) -> Grid:
    ratios: Grid = (weights @ above.sum(axis=axis)) / (weights @ below.sum(axis=axis))
    return ratios


@lru_cache(maxsize=4)
def drawn(things: int, draws: int, seed: int) -> Grid:
    """How often each of `things` comes in each resample: [draws, things]."""
    generator = np.random.default_rng(seed)
    chances = np.full(things, 1 / things)
    return generator.multinomial(things, chances, size=draws).astype(np.float64)


def interval_of(values: Grid, bounds: tuple[float, float]) -> tuple[float, float]:
    """95% percentile interval, within what is possible."""
    low, high = np.percentile(values, [2.5, 97.5])
    return max(bounds[0], float(low)), min(bounds[1], float(high))


def p_value_of(differences: Grid) -> float:
    """Two-sided p-value of "no difference": twice the share of draws on the rarer side of 0.

    It agrees with the percentile interval: below 0.05 where the 95% interval leaves 0 out. The
    draw that was seen counts too (Davison and Hinkley 1997, section 4.2), so it is never 0.
    """
    near = 1e-12
    rarer = min((differences <= near).sum(), (differences >= -near).sum())
    return min(1.0, 2 * (1 + int(rarer)) / (1 + len(differences)))


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
    from scipy.stats import binomtest

    low, high = binomtest(successes, trials).proportion_ci(confidence, method="wilson")
    return float(low), float(high)


def pass_at_k(attempts: int, resolved: int, k: int) -> float:
    """Unbiased estimate for one task (Chen et al. 2021, arXiv 2107.03374, equation 1).

    `resolved` of `attempts` independent attempts resolve the task: 1 − C(n−c, k) / C(n, k).
    Raises ValueError unless 0 ≤ resolved ≤ attempts and 1 ≤ k ≤ attempts: fewer attempts than k
    allow no unbiased estimate.
    """
    if not 0 <= resolved <= attempts or not 1 <= k <= attempts:
        raise ValueError(f"pass@{k} of {resolved} resolved in {attempts} attempts")
    return 1 - comb(attempts - resolved, k) / comb(attempts, k)


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


def rate_of(cells: Cells, *, draws: int = DRAWS, seed: int = SEED) -> Rate:
    """Rate and its 95% interval. `cells` holds at least one scored attempt.

    Where all attempts at all tasks end alike, resamples cannot differ; the interval is then
    Wilson's for as many trials as there are tasks, since attempts at one task may be alike.
    """
    scored, resolved = int(cells.scored.sum()), int(cells.resolved.sum())
    tasks, rate = len(cells.tasks), resolved / scored
    if not cells.single and 0 < resolved < scored:
        seen = resampled_ratio(cells.resolved, cells.scored, draws, seed)
        return Rate(scored, resolved, rate, *interval_of(seen, (0.0, 1.0)), "bootstrap")
    ends = wilson_interval(*((resolved, scored) if cells.single else (tasks * int(rate), tasks)))
    return Rate(scored, resolved, rate, *(ends or (0.0, 1.0)), "wilson")


def mean_pass_at_k(cells: Cells, k: int) -> float | None:
    """Mean pass@k over tasks and seeds; attempts of different seeds are never pooled.

    A task with fewer than k scored attempts with a seed is left out; None where all are.
    """
    enough = cells.scored >= k
    pairs = zip(cells.scored[enough], cells.resolved[enough], strict=True)
    each = [pass_at_k(int(scored), int(resolved), k) for scored, resolved in pairs]
    return sum(each) / len(each) if each else None


def usual_attempts(cells: Cells) -> int:
    """The most scored attempts that at least half of the tasks have with a seed, of those that have
    any: what the grader failed on does not decide the k of pass@k."""
    return int(np.quantile(cells.scored[cells.scored > 0], 0.5, method="higher"))
