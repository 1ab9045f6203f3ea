"""Rows of `critic_scores/<critic>`."""

import polars as pl

CRITIC_SCORES = pl.Schema(
    {
        "set": pl.String,
        "question": pl.String,
        "target": pl.String,
        "steps": pl.Int32,
        "runs": pl.Int32,
        "support": pl.Int32,
        "predicted": pl.Int32,
        "hits": pl.Int32,
        "unlabeled": pl.Int32,
        "missing": pl.Int32,
        "ties": pl.Int32,
        "f1": pl.Float64,
        "f1_low": pl.Float64,
        "f1_high": pl.Float64,
        "kappa": pl.Float64,
        "kappa_low": pl.Float64,
        "kappa_high": pl.Float64,
        "annotators": pl.Int32,
        "annotator_kappa": pl.Float64,
    }
)
"""One row a gold set and target. Precision and recall follow from `hits`, `predicted` and
`support`: the view `critic_scores` states them with their Wilson intervals.

`question` is `label` (one label against the rest), `mask` (what an arm masks against what it
keeps) or `all` (the four labels at once: `hits` are steps with the same label, `f1` is the mean
over the labels). `target` is the label, the labels masked (joined by `+`), or `all`.
"""


RESAMPLES = 1_000
SEED = 0
ALL = "all"
MASKS = ("mistake", "mistake+unnecessary")
"""What arms mask: the paper's way, and the strict way."""
