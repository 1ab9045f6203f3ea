"""Scores as an experiment might give them, with stated rates."""

from random import Random

import polars as pl

from srft_assets.experiment.design import ARMS, BASE
from srft_assets.experiment.report import SCORES

RATES = {
    BASE: 0.01,
    "sft": 0.2,
    "rft": 0.4,
    "srft": 0.45,
    "oracle": 0.6,
    "unresolved_only": 0.1,
    "unresolved_masked": 0.3,
    "random_mask": 0.3,
    "inverted_mask": 0.05,
}


def scores_of(rates, series="steps", x=None, seeds=3, tasks=60, noise=0) -> pl.DataFrame:
    """A row an arm, seed and task; a task is as hard for one arm as for the others."""
    rows = []
    for seed in range(seeds):
        for task in range(tasks):
            luck = Random(f"{noise}/{seed}/{task}").random()
            for arm, rate in rates.items():
                rows.append(
                    {
                        "series": series,
                        "arm": arm,
                        "x": None if x is None else x[arm],
                        "seed": seed,
                        "instance_id": f"t{task}",
                        "status": "resolved" if luck < rate else "unresolved",
                        "exit_status": "Submitted",
                        "n_steps": 5,
                        "resolved": luck < rate,
                    }
                )
    return pl.DataFrame(rows, schema=SCORES)


def all_scores(rates=None) -> pl.DataFrame:
    """All four series."""
    rates = {**RATES, **(rates or {})}
    f1 = {"0.00": 1.0, "0.50": 0.5, "0.75": 0.25}
    share = {"0.00": 0.0, "0.61": 0.61, "1.00": 1.0}
    return pl.concat(
        [
            scores_of(rates),
            scores_of({arm: rates[arm] for arm in ARMS}, "tokens"),
            scores_of({"0.00": 0.6, "0.50": 0.45, "0.75": 0.2}, "f1", f1),
            scores_of({"0.00": 0.4, "0.61": 0.6, "1.00": 0.3}, "share", share),
        ]
    )
