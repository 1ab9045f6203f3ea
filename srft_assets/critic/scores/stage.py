"""The asset `critic_scores/<critic>`: a critic's verdicts against every gold set."""

from typing import Any

import polars as pl

from srft_assets.critic.scores.schema import CRITIC_SCORES, MASKS, RESAMPLES, SEED
from srft_assets.warehouse.stage import Made, Stage, Upstream, Work
from srft_assets.warehouse.store import ONLY

VERSION = 1
"""Raised when the output changes; see tools/versions.py."""

DESCRIPTION = """
How well the verdicts of `{name}` agree with gold labels, by gold set: per label, and for what an
arm masks. F1 and Cohen's kappa bear 95% intervals of a bootstrap over runs; the view
`critic_scores` adds precision and recall. A step left `unlabeled` is a miss; gold steps of runs
that the critic did not judge are `missing` and count for nothing.
"""


def critic_scores_stage(critic: str) -> Stage:
    """The stage of one critic; unpartitioned."""
    verdicts = f"step_verdicts/{critic}"
    return Stage(
        key=f"critic_scores/{critic}",
        partitioned_by="none",
        upstream=(Upstream(verdicts, "all"), Upstream("gold_labels", "whole")),
        schema=CRITIC_SCORES,
        code={"version": VERSION},
        config={"resamples": RESAMPLES, "seed": SEED},
        make=lambda work: _make(work, verdicts),
        description=DESCRIPTION.format(name=critic).strip(),
        kinds=frozenset({"numpy", "parquet"}),
    )


def _make(work: Work, asset: str) -> Made:
    from srft_assets.critic.scores.gold import STEP  # a plan needs no numpy
    from srft_assets.critic.scores.table import scores

    verdicts = pl.concat(
        work.read(asset, name).select(*STEP, "label") for name in work.input_names(asset)
    )
    frame = scores(work.read("gold_labels", ONLY), verdicts)
    return Made(frame, metadata=_figures(frame))


def _figures(frame: pl.DataFrame) -> dict[str, Any]:
    """For the asset's page: the keep/mask question of each set."""
    masks = frame.filter(question="mask", target=MASKS[0])
    return {
        f"{row['set']}: F1 of mistakes": round(row["f1"], 4)
        for row in masks.iter_rows(named=True)
        if row["f1"] is not None
    }
