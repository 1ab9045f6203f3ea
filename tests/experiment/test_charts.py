"""Plots are pictures of 800 pixels with named axes."""

from itertools import pairwise

import pytest

from srft_assets.experiment import findings
from srft_assets.experiment.findings import (
    draw_arms,
    draw_f1,
    draw_share,
    levels_of,
    of_series,
    rate_in,
)
from tests.experiment.synthetic import RATES, all_scores


@pytest.fixture
def figures(monkeypatch):
    """The figures that were saved."""
    seen = []
    save = findings._save
    monkeypatch.setattr(
        findings,
        "_save",
        lambda figure, axes, path: (save(figure, axes, path), seen.append(figure)),
    )
    return seen


def curve(series):
    own = of_series(all_scores(), series)
    return {x: rate_in(own, level) for level, x in levels_of(own)}


def test_three_plots(figures, tmp_path):
    steps = of_series(all_scores(), "steps")
    rates = {arm: rate_in(steps, arm) for arm in RATES}
    seeds = {arm: [rate.rate] * 5 for arm, rate in rates.items()}
    draw_arms(rates, seeds, tmp_path / "arms.png")
    critic = (0.71, rates["srft"])
    draw_f1(curve("f1"), rates["rft"], critic, rates["sft"], tmp_path / "f1.png")
    draw_share(curve("share"), tmp_path / "share.png")
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
