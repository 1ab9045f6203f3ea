"""All cells of the report, in the order in which they are run."""

from collections.abc import Sequence

import polars as pl

from srft_assets.experiment.bench import Bench
from srft_assets.experiment.design import (
    ARMS,
    REFERENCE,
    Cell,
    Place,
    arm_rows,
    by_f1,
    by_share,
    by_steps,
    by_tokens,
)
from srft_assets.experiment.rows import Facts, facts_of


def all_places(bench: Bench) -> list[Place]:
    """Where each cell stands; one cell may stand in several series."""
    form, steps = bench.form, bench.steps
    places = [*by_steps(form, steps), *by_f1(form, steps)]
    places += by_share(form, steps)
    if form.same_tokens:
        places += by_tokens(form, token_steps(bench))
    return places


def distinct(places: Sequence[Place]) -> list[Cell]:
    """Each cell once; whole seeds first, so that an early look compares like with like."""
    cells = dict.fromkeys(place.cell for place in places)
    series = {place.cell: place.series for place in reversed(places)}
    rank = {"steps": 0, "f1": 1, "share": 2, "tokens": 3}
    return sorted(cells, key=lambda cell: (rank[series[cell]], cell.seed))


def facts(bench: Bench, arm: str, seed: int = 0) -> Facts:
    """Of the rows of an arm."""
    return facts_of(pl.read_parquet(bench.rows(arm_rows(arm, seed)), glob=False))


def token_steps(bench: Bench) -> dict[tuple[str, int], int]:
    """Optimizer steps by arm and seed with which as many tokens are trained as by the reference
    in the regime's steps; rows are drawn equally often, so their mean decides."""
    budget = bench.steps * facts(bench, REFERENCE).trained_a_run
    return {
        (arm, seed): max(1, round(budget / facts(bench, arm, seed).trained_a_run))
        for arm in ARMS
        for seed in range(bench.form.seeds)
    }
