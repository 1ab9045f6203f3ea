"""The asset `comparison`: all arms that are made unasked, beside one another."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import polars as pl

from srft_assets.compare import ARM_RATES, DRAWS, PAIRS, SEED
from srft_assets.errors import SrftError
from srft_assets.warehouse.stage import Listing, Made, Stage, Upstream, Work

if TYPE_CHECKING:
    from srft_assets.compare.arms import Comparison

KEY = "comparison"
RATES = "arm_rates"
SCORES = "eval_scores/"

VERSION = 2
"""Raised when the output changes; see tools/versions.py."""

DESCRIPTION = """
The arms that are made without being named, compared on the held-out tasks they share: paired
differences with 95% intervals, McNemar's test or a bootstrap over tasks and seeds, Holm's
correction, and the smallest difference that so many tasks and seeds can show. An arm without
scores is left out until it has some. `srft compare` compares any arms, controls too.
"""


def comparison_stage(scores: Sequence[str]) -> Stage:
    """The stage behind the given `eval_scores/<arm>`; unpartitioned."""
    return Stage(
        key=KEY,
        partitioned_by="none",
        upstream=tuple(Upstream(asset, "all", optional=True) for asset in sorted(scores)),
        schema=PAIRS,
        code={"version": VERSION},
        config={"draws": DRAWS, "seed": SEED},
        make=_make,
        beside=(RATES,),
        description=DESCRIPTION.strip(),
        kinds=frozenset({"numpy", "matplotlib"}),
    )


def _make(work: Work) -> Made:
    assets = sorted({key.rpartition("/")[0] for key in work.recipe.inputs})
    frames = [
        work.read(asset, seed).with_columns(
            arm=pl.lit(asset.removeprefix(SCORES)), seed=pl.lit(int(seed))
        )
        for asset in assets
        for seed in work.input_names(asset)
    ]
    scores = pl.concat(frames, how="diagonal") if frames else pl.DataFrame()
    if scores.is_empty() or scores["resolved"].null_count() == scores.height:
        raise SrftError("no arm has scores to compare: make eval_scores of some arms first")
    from srft_assets.compare.arms import (
        compare_arms,  # a plan needs no numpy
        with_settings,
    )
    from srft_assets.compare.report import draw_comparison

    found = compare_arms(with_settings(scores, work.warehouse))
    path = work.home.artifacts / KEY / "comparison.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    draw_comparison(found.arms, found.pairs, path)
    work.keep(RATES, found.arms.select(list(ARM_RATES)))
    return Made(found.pairs, metadata={"plot": path, **_page(found)})


def _page(found: "Comparison") -> dict[str, object]:
    from srft_assets.compare.report import arm_table, legend_of, pair_table, verdict_of

    tables = {"arms": arm_table(found.arms)}
    if found.pairs.height:
        tables["differences"] = pair_table(found.pairs)
    return {
        "says": verdict_of(found.pairs),
        **({"mind": " ".join(found.notes)} if found.notes else {}),
        **{name: Listing(table.heads, table.rows) for name, table in tables.items()},
        **({"how": legend_of(found.pairs)} if found.pairs.height else {}),
    }
