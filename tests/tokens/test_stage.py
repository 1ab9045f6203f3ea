"""`masked_tokens/<arm>` from partitions in a warehouse."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from srft_assets.critic.verdict import STEP_VERDICTS
from srft_assets.home import Home
from srft_assets.outcomes.model import TEST_OUTCOMES
from srft_assets.tokens.arm import ArmSpec, TrainingSpec
from srft_assets.tokens.row import MaskedRow
from srft_assets.tokens.schema import MASKED_TOKENS
from srft_assets.tokens.stage import masked_tokens_stage
from srft_assets.tokens.tokenizer import ChatTokenizer
from srft_assets.trajectories.frame import columns_of
from srft_assets.trajectories.model import Trajectory
from srft_assets.warehouse.recipe import Recipe
from srft_assets.warehouse.stage import Made, Stage, T, Work
from srft_assets.warehouse.stamp import Stamp
from srft_assets.warehouse.store import ONLY, Warehouse, data_version
from tests.tokens.conftest import run_of

STATUS = {"good": "resolved", "bad": "unresolved", "odd": "unknown", "infra": "infra_error"}
LABELS = ["good", "mistake", "recover"]


class Silent:
    """Progress without a bar."""

    def track(self, items: Iterable[T], label: str, total: int | None = None) -> Iterator[T]:
        return iter(items)


def no_launch(argv: Sequence[str], env: object) -> None:
    raise AssertionError("masking starts no subprocess")


def put(home: Home, asset: str, frame: pl.DataFrame, partition: str = "b") -> None:
    stamp = Stamp(Recipe(), Recipe().fingerprint, data_version(frame), frame.height, "test", "")
    Warehouse(home.warehouse).write(asset, partition, frame, stamp)


def run(name: str, answers: Sequence[str]) -> Trajectory:
    chat = [{"role": "user", "content": "?"}]
    for answer in answers:
        chat += [{"role": "assistant", "content": answer}, {"role": "user", "content": "done"}]
    return replace(run_of(chat), trajectory_id=name, instance_id=f"task-{name}")


@pytest.fixture
def filled(home: Home, tmp_path: Path, chatml: ChatTokenizer) -> Home:
    """Four runs of three steps, one for each kind of outcome, and their verdicts."""
    runs = [run(name, ["look", "break", "mend"]) for name in STATUS]
    put(home, "trajectories", columns_of(runs, "b"))
    outcomes = [{"trajectory_id": name, "status": status} for name, status in STATUS.items()]
    put(home, "test_outcomes", pl.DataFrame(outcomes, schema=TEST_OUTCOMES))
    verdicts = [
        {"trajectory_id": name, "step_index": step, "label": label}
        for name in STATUS
        for step, label in enumerate(LABELS)
    ]
    put(home, "step_verdicts/rules", pl.DataFrame(verdicts, schema=STEP_VERDICTS))
    chatml.hf.save_pretrained(tmp_path / "model")
    put(home, "base_models/tiny", pl.DataFrame({"path": [str(tmp_path / "model")]}), ONLY)
    return home


def make(stage: Stage, home: Home) -> Made:
    log = logging.getLogger("test")
    warehouse = Warehouse(home.warehouse)
    work = Work(home, warehouse, "b", Recipe(), "test", Silent(), no_launch, log)
    made = stage.make(work)
    assert made.frame.schema == MASKED_TOKENS
    return made


def trained(made: Made) -> dict[str, list[int]]:
    rows = [MaskedRow.from_row(row) for row in made.frame.iter_rows(named=True)]
    return {
        row.trajectory_id: [span.step_index for span in row.spans if span.trained] for row in rows
    }


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
    put(filled, "trajectories", columns_of([image, run("good", ["look"])], "b"))
    made = make(masked_tokens_stage(ArmSpec(name="sft")), filled)
    assert list(trained(made)) == ["good"]
    (refusal,) = made.refused
    assert refusal.subject == "image"
    assert refusal.line() == (
        "trajectories/b: message 0 (user) holds a part that is not text: image_url"
    )
    assert made.metadata["runs_refused"] == 1


def test_no_runs_give_an_empty_partition(filled: Home) -> None:
    put(filled, "trajectories", columns_of([], "b"))
    assert make(masked_tokens_stage(ArmSpec(name="sft")), filled).frame.height == 0


def test_an_arm_without_critic_has_no_edge_from_one() -> None:
    upstream = masked_tokens_stage(ArmSpec(name="sft")).upstream
    assert [edge.asset for edge in upstream] == [
        "trajectories",
        "test_outcomes",
        "base_models/tiny",
    ]
    upstream = masked_tokens_stage(ArmSpec(name="srft", critic="rules", model="a/b")).upstream
    assert [edge.asset for edge in upstream] == [
        "trajectories",
        "test_outcomes",
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
