"""`report.md`, its plots and its scores, made from the files of the cells alone."""

from pathlib import Path

import polars as pl

from srft_assets.compare import cells_of, rate_of
from srft_assets.experiment.bench import Bench
from srft_assets.experiment.charts import Point, draw_arms, draw_f1, draw_share
from srft_assets.experiment.facts import measured_f1
from srft_assets.experiment.plan import all_places
from srft_assets.experiment.rows import mistake_f1
from srft_assets.experiment.scores import cell_frame, results_of, score_frame
from srft_assets.experiment.sections import SHOWN_ARMS, Ran, levels_of, sections_of
from srft_assets.experiment.tables import of_series
from srft_assets.warehouse.placing import place

REPORT = "report.md"


def write_report(bench: Bench, out: Path, ran: Ran) -> Path:
    """Write `report.md`, PNGs, `scores.parquet`, `scores.csv`, `cells.csv` into `out`.

    Raises SrftError where a cell is not finished.
    """
    places = all_places(bench)
    results = results_of(places, bench)
    scores, cells = score_frame(places, results), cell_frame(places, results, bench)
    scores = with_measured_f1(scores, bench)
    scores.write_parquet(out / "scores.parquet")
    scores.write_csv(out / "scores.csv")
    cells.write_csv(out / "cells.csv")
    _draw(scores, bench, out)
    text = "\n\n".join(sections_of(scores, cells, bench, ran)) + "\n"
    place(out / REPORT, text.encode())
    return out / REPORT


def with_measured_f1(scores: pl.DataFrame, bench: Bench) -> pl.DataFrame:
    """`x` of the series `f1` as it was measured on the labels that were used."""
    arms = of_series(scores, "f1")["arm"].unique()
    found = {arm: measured_f1(bench, float(arm)) for arm in arms}
    of_f1 = pl.col("series") == "f1"
    x = pl.col("arm").replace_strict(found, default=None, return_dtype=pl.Float64)
    return scores.with_columns(pl.when(of_f1).then(x).otherwise(pl.col("x")).alias("x"))


def _draw(scores: pl.DataFrame, bench: Bench, out: Path) -> None:
    steps = of_series(scores, "steps")
    data = bench.data

    def point(frame: pl.DataFrame, arm: str, x: float | str) -> Point:
        return Point(x, rate_of(cells_of(frame, arm)))

    by_seed = [
        steps.filter(pl.col("arm") == arm).group_by("seed").agg(pl.col("resolved").mean())
        for arm in SHOWN_ARMS
    ]
    each = [frame.sort("seed")["resolved"].to_list() for frame in by_seed]
    draw_arms([point(steps, arm, arm) for arm in SHOWN_ARMS], each, out / "arms.png")
    f1, share = of_series(scores, "f1"), of_series(scores, "share")
    critic = mistake_f1(data.rules, data.oracle, data.failed), point(steps, "srft", "").rate
    draw_f1(
        [point(f1, arm, x) for arm, x in levels_of(f1)],
        point(steps, "rft", "").rate,
        critic,
        point(steps, "sft", "").rate,
        out / "f1.png",
    )
    draw_share([point(share, arm, x) for arm, x in levels_of(share)], out / "share.png")
