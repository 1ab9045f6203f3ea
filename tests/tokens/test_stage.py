"""`masked_tokens/<arm>` from partitions in a warehouse."""

from pathlib import Path

import pytest

from srft_assets.home import Home
from srft_assets.tokens.arm import ArmSpec, TrainingSpec
from srft_assets.tokens.stage import masked_tokens_stage
from srft_assets.trajectories.model import rows_of
from tests.tokens.batch import LABELS, STATUS, filled, make, put, run, trained

__all__ = ["filled"]

WHOLE = [0, 1, 2]
MASKED = [0, 2]


@pytest.mark.parametrize(
    ("arm", "expected"),
    [
        (ArmSpec(name="sft"), dict.fromkeys(STATUS, WHOLE)),
        (ArmSpec(name="rft", runs="resolved"), {"good": WHOLE}),
        (
            ArmSpec(name="srft", critic="rules"),
            {"good": WHOLE, "bad": MASKED, "odd": MASKED, "infra": MASKED},
        ),
        (ArmSpec(name="unresolved_only", runs="unresolved"), {"bad": WHOLE}),
        (ArmSpec(name="unresolved_masked", runs="unresolved", critic="rules"), {"bad": MASKED}),
    ],
    ids=lambda value: value.name if isinstance(value, ArmSpec) else "",
)
def test_each_arm_trains_its_runs_and_steps(
    arm: ArmSpec, expected: dict[str, list[int]], filled: Home
) -> None:
    made = make(masked_tokens_stage(arm), filled)
    assert trained(made) == expected
    assert made.metadata["runs"] == len(expected)
    assert made.metadata["tokens_trained"] == made.frame["n_trained"].sum()


def test_the_label_stands_beside_the_span(filled: Home) -> None:
    made = make(masked_tokens_stage(ArmSpec(name="srft", critic="rules")), filled)
    assert [span["label"] for span in made.frame["spans"][1]] == LABELS
    bare = make(masked_tokens_stage(ArmSpec(name="sft")), filled)
    assert [span["label"] for span in bare.frame["spans"][1]] == [None] * 3


def test_a_refused_run_is_named_and_the_rest_goes_on(filled: Home) -> None:
    image = run("image", ["look"])
    image.messages[0]["content"] = [{"type": "image_url"}]
    put(filled, "trajectories", rows_of([image, run("good", ["look"])], "b"))
    made = make(masked_tokens_stage(ArmSpec(name="sft")), filled)
    assert list(trained(made)) == ["good"]
    (refusal,) = made.refused
    assert refusal.subject == "image"
    assert refusal.line() == (
        "trajectories/b: message 0 (user) holds a part that is not text: image_url"
    )
    assert made.metadata["runs_refused"] == 1


def test_no_runs_give_an_empty_partition(filled: Home) -> None:
    put(filled, "trajectories", rows_of([], "b"))
    assert make(masked_tokens_stage(ArmSpec(name="sft")), filled).frame.height == 0


def test_an_arm_without_critic_has_no_edge_from_one() -> None:
    upstream = masked_tokens_stage(ArmSpec(name="sft")).upstream
    assert [edge.asset for edge in upstream] == [
        "trajectories",
        "test_outcomes",
        "integrity",
        "base_models/tiny",
    ]
    upstream = masked_tokens_stage(ArmSpec(name="srft", critic="rules", model="a/b")).upstream
    assert [edge.asset for edge in upstream] == [
        "trajectories",
        "test_outcomes",
        "integrity",
        "step_verdicts/rules",
    ]


def test_only_what_decides_tokens_is_in_the_recipe(home: Home, tmp_path: Path) -> None:
    arm = ArmSpec(name="srft", critic="rules")
    stage = masked_tokens_stage(arm)
    other = arm.model_copy(
        update={"description": "new", "training": TrainingSpec(max_steps=1)}, deep=True
    )
    assert masked_tokens_stage(other).config == stage.config
    assert masked_tokens_stage(arm.model_copy(update={"mask": []})).config != stage.config
    bare = ArmSpec(name="sft")
    assert (
        masked_tokens_stage(bare.model_copy(update={"mask": []})).config
        == masked_tokens_stage(bare).config
    )
    hub = masked_tokens_stage(ArmSpec(name="x", model="a/b"))
    assert hub.config_of is not None
    assert hub.config_of(home, "b") == {"tokenizer": "hub:a/b"}
