"""What decides the rows of an arm is in its recipe, and nothing that decides those of others."""

from typing import Any

import pytest

from srft_assets.tokens import stage
from srft_assets.tokens.arm import ArmSpec
from srft_assets.tokens.stage import masked_tokens_stage


def code(**settings: Any) -> dict[str, str]:
    return dict(masked_tokens_stage(ArmSpec.model_validate({"name": "x", **settings})).code)


@pytest.mark.parametrize(("settings", "follows"), [({"where": "n_steps < 9"}, True), ({}, False)])
def test_the_columns_of_a_condition_decide_an_arm_that_has_one(settings, follows, monkeypatch):
    macro, candidates = stage.candidates_sql()
    before = code(**settings)
    monkeypatch.setattr(stage, "candidates_sql", lambda: (macro, f"{candidates} LIMIT 1"))
    assert (code(**settings) != before) == follows
