"""Plots are pictures of 800 pixels with named axes."""

from itertools import pairwise

import pytest

from srft_assets.compare import cells_of, rate_of
from srft_assets.experiment import charts
from srft_assets.experiment.charts import Point, draw_arms, draw_f1, draw_share
from srft_assets.experiment.tables import of_series
from tests.experiment.synthetic import RATES, all_scores


@pytest.fixture
def figures(monkeypatch):
    """The figures that were saved."""
    seen = []
    save = charts._save
    monkeypatch.setattr(
        charts, "_save", lambda figure, axes, path: (save(figure, axes, path), seen.append(figure))
    )
    return seen


def points(series):
    own = of_series(all_scores(), series)
    levels = own.select("arm", "x").unique().sort("x").rows()
    return [Point(x, rate_of(cells_of(own, arm))) for arm, x in levels]


def test_three_plots(figures, tmp_path):
    steps = of_series(all_scores(), "steps")
    arms = [Point(arm, rate_of(cells_of(steps, arm))) for arm in RATES]
    by_name = {point.x: point.rate for point in arms}
    draw_arms(arms, [[point.rate.rate] * 5 for point in arms], tmp_path / "arms.png")
    draw_f1(
        points("f1"), by_name["rft"], (0.71, by_name["srft"]), by_name["sft"], tmp_path / "f1.png"
    )
    draw_share(points("share"), tmp_path / "share.png")
    for name in ("arms", "f1", "share"):
        header = (tmp_path / f"{name}.png").read_bytes()[:24]
        assert header.startswith(b"\x89PNG")
        assert int.from_bytes(header[16:20]) == 800
    for figure in figures:
        [axes] = figure.axes
        assert axes.get_ylabel().endswith("(%)")
        assert axes.get_xlabel()
        texts = [text.get_window_extent() for text in axes.get_xticklabels() if text.get_text()]
        assert all(one.x1 <= other.x0 + 1 for one, other in pairwise(texts))
