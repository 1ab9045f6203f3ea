"""The settings of an arm, from runs to rows, and the asset check that knows them."""

from collections.abc import Mapping
from typing import Any

import polars as pl
import pytest

from srft_assets.critic.gold.labels import GOLD_LABELS
from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.platform.schemas import SCHEMAS
from srft_assets.tokens.arm import ArmSpec, forbidden
from srft_assets.tokens.stage import masked_tokens_stage
from srft_assets.tokens.token_labels import MaskedRow
from srft_assets.tokens.tokenizer import ChatTokenizer
from srft_assets.trajectories.model import rows_of
from srft_assets.warehouse.partitions import ONLY
from srft_assets.warehouse.query import offending_rows
from srft_assets.warehouse.stage import Made
from tests.tokens.batch import filled, make, put, run, trained

__all__ = ["filled"]

GOLD = [("bad", 0, "mistake", "ann"), ("bad", 1, "good", "ann"), ("bad", 2, "good", "ann")]
CONTROLS = ("none", "random_mask", "inverted_mask", "prefix_until_mistake")


def spec(**settings: Any) -> ArmSpec:
    return ArmSpec.model_validate({"name": "x", "critic": "rules", **settings})


def made(home: Home, **settings: Any) -> Made:
    return make(masked_tokens_stage(spec(**settings)), home)


def offending(home: Home, masked: Made, arm: ArmSpec, **changed: Any) -> list[tuple[str, int]]:
    """Run and step of what the check finds, once the partition is in the warehouse."""
    put(home, "masked_tokens/x", masked.frame)
    asked: Mapping[str, Any] = {"arm": "x", **forbidden(arm), **changed}
    found = offending_rows(home, SCHEMAS, "trained_tokens_accepted", asked)
    return sorted(found["trajectory_id", "step_index"].rows())


def gold(home: Home, *labels: tuple[str, int, str | None, str]) -> None:
    rows = [
        dict(zip(("trajectory_id", "step_index", "label", "annotator"), label, strict=True))
        | {"set": "people", "note": ""}
        for label in labels
    ]
    put(home, "gold_labels", pl.DataFrame(rows, GOLD_LABELS), ONLY)


def test_each_control_trains_its_steps(filled: Home) -> None:
    whole = [0, 1, 2]
    expected = {
        "none": [0, 2],
        "inverted_mask": [1],
        "prefix_until_mistake": [0],
    }
    for control, steps in expected.items():
        found = trained(made(filled, control=control))
        assert found == {"good": whole, "bad": steps, "odd": steps, "infra": steps}
    dealt = [trained(made(filled, control="random_mask", seed=seed)) for seed in range(6)]
    assert {len(found["bad"]) for found in dealt} == {2}
    assert len({str(found) for found in dealt}) > 1


@pytest.mark.parametrize("control", CONTROLS)
@pytest.mark.parametrize("too_long", ["refuse", "cut", "windows"])
def test_the_check_is_content_with_what_the_arm_makes(
    filled: Home, control: str, too_long: str
) -> None:
    training = {"max_length": 30}
    arm = spec(control=control, too_long=too_long, overlap=1, training=training)
    assert offending(filled, make(masked_tokens_stage(arm), filled), arm) == []


def test_the_check_finds_a_mask_that_is_not_the_arms(filled: Home) -> None:
    failed = ("bad", "infra", "odd")
    inverted = made(filled, control="inverted_mask")
    assert offending(filled, inverted, spec()) == [(name, 1) for name in failed]
    plain = made(filled)
    turned = spec(control="inverted_mask")
    assert offending(filled, plain, turned) == [(name, n) for name in failed for n in (0, 2)]
    prefix = spec(control="prefix_until_mistake")
    assert offending(filled, plain, prefix) == [(name, 2) for name in failed]
    unmasked = made(filled, mask=[])
    random = spec(control="random_mask")
    assert offending(filled, unmasked, random) == [(name, n) for name in failed for n in range(3)]


def test_the_check_finds_a_step_that_is_in_two_windows(filled: Home) -> None:
    whole = made(filled)
    again = whole.frame.with_columns(part=pl.lit(1, pl.Int32))
    twice = Made(pl.concat([whole.frame, again]))
    assert len(offending(filled, twice, spec())) == 2 * 4 * 3


def test_weights_stand_beside_the_span(filled: Home) -> None:
    frame = made(filled, weights={"recover": 0.5}).frame
    by_run = {row["trajectory_id"]: row for row in frame.iter_rows(named=True)}
    assert [span["weight"] for span in by_run["bad"]["spans"]] == [1.0, None, 0.5]
    assert [span["weight"] for span in by_run["good"]["spans"]] == [None] * 3


def test_gold_labels_mask_in_the_place_of_a_critic(filled: Home) -> None:
    tie = [("odd", step, label, who) for step in range(3) for label, who in TIE]
    gold(filled, *GOLD, ("bad", 1, None, "bob"), *tie)
    found = made(filled, critic=None, gold="people")
    assert trained(found) == {"good": [0, 1, 2], "bad": [1, 2], "odd": [], "infra": []}
    labels = {row["trajectory_id"]: row["spans"] for row in found.frame.iter_rows(named=True)}
    assert [span["label"] for span in labels["bad"]] == ["mistake", "good", "good"]
    assert [span["label"] for span in labels["odd"]] == ["unlabeled"] * 3
    stage = masked_tokens_stage(spec(critic=None, gold="people"))
    assert "gold_labels" in [edge.asset for edge in stage.upstream]


TIE = [("good", "ann"), ("mistake", "bob")]


def test_a_gold_set_that_is_not_there_is_told(filled: Home) -> None:
    gold(filled, *GOLD)
    with pytest.raises(SrftError, match="arm x: no label in the gold set 'lab'; sets: people"):
        made(filled, critic=None, gold="lab")


def test_what_is_left_out_is_counted(filled: Home) -> None:
    found = made(filled, runs="unresolved", where="n_steps > 3")
    assert trained(found) == {}
    assert found.metadata["runs_of_other_outcome"] == 3
    assert found.metadata["runs_outside_where"] == 1


def test_a_wrong_condition_names_the_arm(filled: Home) -> None:
    with pytest.raises(SrftError, match="arm x: where: Referenced column"):
        made(filled, where="n_step > 3")


def test_windows_are_chats_that_train_each_step_once(filled: Home, chatml: ChatTokenizer) -> None:
    answers = [f"step {number} does this and that" for number in range(6)]
    put(filled, "trajectories", rows_of([run("bad", answers)], "b"))
    whole = made(filled, mask=[], unlabeled="train")
    limit = whole.frame["n_tokens"][0] * 2 // 3
    found = made(
        filled,
        mask=[],
        unlabeled="train",
        too_long="windows",
        overlap=1,
        training={"max_length": limit},
    )
    rows = [MaskedRow.from_row(row) for row in found.frame.iter_rows(named=True)]
    assert len(rows) > 1
    assert found.metadata["runs"] == found.metadata["runs_split"] == 1
    texts = [chatml.backend.decode(row.input_ids, skip_special_tokens=False) for row in rows]
    head = "<|im_start|>user\n?<|im_end|>\n<|im_start|>assistant\nstep "
    assert all(head in text for text in texts)
    said = [
        chatml.backend.decode(row.input_ids[s.start : s.end], skip_special_tokens=False)
        for row in rows
        for s in row.spans
    ]
    assert said == [f"{answer}<|im_end|>" for answer in answers]


@pytest.mark.parametrize(
    "settings",
    [
        {"where": "true"},
        {"dedup": True},
        {"per_instance": 1},
        {"weights": {"recover": 0.5}},
        {"control": "inverted_mask"},
        {"too_long": "cut"},
        {"gold": "people", "critic": None},
    ],
)
def test_only_settings_that_decide_rows_are_in_the_recipe(settings: dict[str, Any]) -> None:
    plain = masked_tokens_stage(spec()).config
    assert masked_tokens_stage(spec(**settings)).config != plain
    assert masked_tokens_stage(spec(seed=1, overlap=9)).config == plain
    assert masked_tokens_stage(spec(training={"max_length": 9})).config == plain
