"""The findings follow from the numbers, whichever way they go."""

import pytest

from srft_assets.compare.difference import paired_difference
from srft_assets.experiment.findings import (
    QUESTIONS,
    Question,
    differences,
    findings,
    levels,
    of_series,
    questions,
    rates,
    told,
)
from tests.experiment.synthetic import RATES, all_scores


def test_the_base_model_and_every_question_are_told():
    text = findings(all_scores())
    assert "The base model resolves" in text
    for arm, other in QUESTIONS:
        assert f"{arm} resolves more than {other}" in text or f"{arm} and {other} no diff" in text
    assert "With about as many trained tokens: " in text
    assert "labels with an F1 of 1.00 lead to more" in text
    assert "training runs of which 100% failed" in text


@pytest.mark.parametrize(
    ("srft", "verdict"),
    [
        (0.9, "srft resolves more than rft"),
        (0.05, "srft resolves fewer than rft"),
        (0.4, "Between srft and rft no difference is shown"),
    ],
)
def test_either_outcome_is_told(srft, verdict):
    assert verdict in findings(all_scores({"srft": srft}))


@pytest.mark.parametrize("p_holm", [0.001, 0.049, 0.05, 0.5, None])
def test_a_difference_is_told_exactly_where_it_survives_the_correction(p_holm):
    steps = of_series(all_scores({"srft": 0.5}), "steps")
    one = paired_difference(steps, "srft", "rft")
    sentence = told(Question("steps", "srft", "rft", ("srft", "rft")), one, p_holm)
    shown = p_holm is not None and p_holm < 0.05
    assert ("no difference is shown" in sentence) is not shown


def test_what_is_told_is_corrected_over_all_that_is_told():
    scores = all_scores()
    asked = questions(scores)
    assert len(asked) == len(findings(scores).splitlines()) - 1
    alone = paired_difference(of_series(scores, "steps"), asked[0].arm, asked[0].against)
    strict = paired_difference(
        of_series(scores, "steps"), asked[0].arm, asked[0].against, alpha=0.05 / len(asked)
    )
    least = f"{100 * strict.detectable:.1f} points"
    assert strict.detectable > alone.detectable
    assert least in told(asked[0], strict, 1.0)


def test_a_table_of_rates_has_both_intervals_and_each_seed():
    rows = rates(of_series(all_scores(), "steps"), tuple(RATES)).splitlines()
    assert len(rows) == 2 + len(RATES)
    [sft] = [row for row in rows if row.startswith("| sft ")]
    cells = [cell.strip() for cell in sft.strip("|").split("|")]
    assert cells[1].endswith("of 180")
    assert cells[3].count("to") == cells[4].count("to") == 1
    assert len(cells[5].split(", ")) == 3


def test_differences_are_corrected_over_their_table():
    steps = of_series(all_scores(), "steps")
    pairs = [(arm, "rft") for arm in RATES if arm != "rft"]
    table = differences(steps, pairs).splitlines()
    assert len(table) == 2 + len(pairs)
    [among_many] = [row for row in table if row.startswith("| srft −")]
    alone = differences(steps, [("srft", "rft")]).splitlines()[2]
    can_show = [float(row.strip("|").split("|")[-1]) for row in (among_many, alone)]
    assert can_show[0] > can_show[1]


def test_levels_are_compared_with_the_reference():
    share = of_series(all_scores(), "share")
    table = levels(share, {"0.00": "0% failed", "1.00": "100% failed"}, "0.00").splitlines()
    assert table[2].endswith("|  |  |")
    assert "-" in table[3]
