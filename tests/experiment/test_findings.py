"""The findings follow from the numbers, whichever way they go."""

import pytest

from srft_assets.experiment.findings import QUESTIONS, findings, told
from srft_assets.experiment.tables import difference_table, differences, levels, of_series, rates
from tests.experiment.synthetic import RATES, all_scores


def test_the_base_model_and_every_question_are_told():
    text = findings(all_scores())
    assert "The base model resolves" in text
    for arm, other in QUESTIONS:
        assert f"{arm} resolves more than {other}" in text or f"{arm} and {other} no diff" in text
    assert "With as many trained tokens: " in text
    assert "Labels with an F1 of 1.00 lead to more" in text
    assert "runs with a failed share of 1.00" in text


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


@pytest.mark.parametrize("srft", [0.35, 0.38, 0.42, 0.5])
def test_a_difference_is_told_exactly_where_the_interval_excludes_zero(srft):
    steps = of_series(all_scores({"srft": srft}), "steps")
    [one] = differences(steps, [("srft", "rft")])
    assert ("no difference is shown" in told(one)) == (one.low <= 0 <= one.high)


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
    found = differences(steps, pairs)
    table = difference_table(found).splitlines()
    assert len(table) == 2 + len(pairs)
    alone = differences(steps, [("srft", "rft")])[0]
    assert next(one for one in found if one.arm == "srft").detectable > alone.detectable


def test_levels_are_compared_with_the_reference():
    share = of_series(all_scores(), "share")
    table = levels(share, {"0.00": "0% failed", "1.00": "100% failed"}, "0.00").splitlines()
    assert table[2].endswith("|  |  |")
    assert "-" in table[3]
