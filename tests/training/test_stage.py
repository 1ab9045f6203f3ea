"""`checkpoints/<arm>` as the engine makes it, with the subprocess."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import polars as pl
import pytest
from pydantic import ValidationError

from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.processes.launch import launch
from srft_assets.tokens.arm import ArmSpec, TrainingSpec, Validation
from srft_assets.training.main import main
from srft_assets.training.stage import checkpoints_stage
from srft_assets.warehouse.cost import Cost
from srft_assets.warehouse.making import (
    MissingInputError,
    make_current,
    make_partition,
    recipe_of,
    work_alone,
)
from srft_assets.warehouse.partitions import Stamp, Warehouse
from srft_assets.warehouse.recipe import Recipe
from srft_assets.warehouse.stage import Launch, Made, Planned, Stage, Work
from tests.training.conftest import frame_of, make_rows, put, select

T = TypeVar("T")


class Subprocess:
    """The launch that the platform uses, with the lines it passed on."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(
        self, argv: Sequence[str], env: Mapping[str, str], prefix: Sequence[str] = ()
    ) -> None:
        launch(argv, env, on_line=self.lines.append)


class InProcess:
    """The same command in this process, which has torch imported; counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(
        self, argv: Sequence[str], env: Mapping[str, str], prefix: Sequence[str] = ()
    ) -> None:
        self.calls += 1
        assert list(argv[1:3]) == ["-m", "srft_assets.training.main"]
        assert main(list(argv[3:])) == 0


def make(stage: Stage, home: Home, launcher: Launch, partition: str = "0") -> tuple[Made, Stamp]:
    return make_partition(stage, work_alone(stage, home, partition, launch=launcher))


def arm_of(**training: object) -> ArmSpec:
    stated = {"max_steps": 3, "batch_size": 4, "max_length": 100, **training}
    return ArmSpec(name="srft", training=TrainingSpec.model_validate(stated))


def filled(home: Home, base_model: Path) -> Home:
    """A home with a base model and two batches, one of them not for training."""
    base = pl.DataFrame({"name": ["tiny"], "path": [str(base_model)]})
    put(home, "base_models/tiny", "all", base)
    long = ([5] * 101, [(1, 50, True)])
    put(home, "masked_tokens/srft", "lab-1", frame_of([*make_rows(10), long]))
    put(home, "masked_tokens/srft", "eval-1", frame_of(make_rows(5, seed=9)))
    return home


@pytest.fixture
def platform(home: Home, base_model: Path) -> Home:
    """`filled`, of this test's own."""
    return filled(home, base_model)


def test_an_arm_becomes_a_checkpoint(platform: Home) -> None:
    launcher = Subprocess()
    made, stamp = make(checkpoints_stage(arm_of()), platform, launcher)
    (row,) = made.frame.iter_rows(named=True)
    assert (row["arm"], row["seed"], row["rows"], row["steps"]) == ("srft", 0, 10, 3)
    assert [point["step"] for point in row["loss_curve"]] == [1, 2, 3]
    assert row["padding_share"] == 0
    assert (platform.root / row["path"] / "model.safetensors").exists()
    assert not Path(row["path"]).is_absolute()
    assert made.metadata["loss"].name == "loss.png"
    assert made.metadata["loss"].exists()
    assert sorted(stamp.recipe.inputs) == ["base_models/tiny/all", "masked_tokens/srft/lab-1"]
    assert any('"step":3,"of":3' in line for line in launcher.lines)
    kept = Warehouse(platform.warehouse).stamp("checkpoints/srft", "0")
    assert kept == stamp
    (refusal,) = kept.refused
    assert refusal.line().startswith("masked_tokens/srft/lab-1, row 10: 101 tokens")


def test_a_setting_changed_and_changed_back_trains_nothing_twice(platform: Home) -> None:
    launcher = InProcess()
    versions = [
        make(checkpoints_stage(arm_of(learning_rate=rate)), platform, launcher)[1].data_version
        for rate in (1e-3, 1e-2, 1e-3)
    ]
    assert versions[0] == versions[2] != versions[1]
    assert launcher.calls == 2


def test_each_seed_has_weights_of_its_own(platform: Home) -> None:
    stage = checkpoints_stage(arm_of())
    shas = {make(stage, platform, InProcess(), seed)[0].frame["weights_sha256"][0] for seed in "01"}
    assert len(shas) == 2


def test_only_what_decides_the_weights_is_in_the_recipe(platform: Home) -> None:
    warehouse = Warehouse(platform.warehouse)

    def fingerprint(arm: ArmSpec) -> str:
        return recipe_of(checkpoints_stage(arm), platform, warehouse, "0").fingerprint

    arm = arm_of()
    told = arm.model_copy(update={"description": "other words"})
    same_batch = arm_of(batches=["lab-1"])
    assert fingerprint(arm) == fingerprint(told) == fingerprint(same_batch)
    assert fingerprint(arm) != fingerprint(arm_of(max_steps=4))
    assert fingerprint(arm) != fingerprint(arm_of(batches=["*"]))


def test_epochs_decide_in_the_place_of_steps(platform: Home) -> None:
    training = {"epochs": 2, "batch_size": 4, "max_length": 100}
    stage = checkpoints_stage(ArmSpec(name="srft", training=training))
    plain = checkpoints_stage(arm_of(max_steps=120)).config
    assert stage.config == {**{k: v for k, v in plain.items() if k != "max_steps"}, "epochs": 2}
    made, _ = make(stage, platform, InProcess())
    assert made.frame["steps"].to_list() == [5]
    assert (made.metadata["steps"], made.metadata["epochs"]) == (5, 2)


def test_ones_own_batches_are_trained_on_and_those_of_evaluation_are_not(platform: Home) -> None:
    put(platform, "masked_tokens/srft", "own", frame_of(make_rows(2, seed=3)))
    recipe = recipe_of(checkpoints_stage(arm_of()), platform, Warehouse(platform.warehouse), "0")
    assert [key for key in recipe.inputs if key.startswith("masked")] == [
        "masked_tokens/srft/lab-1",
        "masked_tokens/srft/own",
    ]


def test_batches_that_no_pattern_fits_are_told_with_the_setting(platform: Home) -> None:
    arm = arm_of(batches=["smith-*"])
    said = (
        "training.batches of the arm srft is smith-[*], which none of the batches there are fits: "
        "eval-1, lab-1"
    )
    with pytest.raises(MissingInputError, match=said):
        recipe_of(checkpoints_stage(arm), platform, Warehouse(platform.warehouse), "0")


def test_batches_that_a_pattern_leaves_out_are_told(platform: Home) -> None:
    warehouse = Warehouse(platform.warehouse)
    watch = checkpoints_stage(arm_of(batches=["eval-*"])).watches["batches_trained"]
    said = watch(platform, warehouse, ["0"])
    assert said and not said.warns
    assert said.line == "training.batches (eval-*) leaves out 1 of 2 batches: lab-1"
    by_default = checkpoints_stage(arm_of()).watches["batches_trained"](platform, warehouse, ["0"])
    told = "training.batches (*, !eval-*) leaves out 1 of 2 batches: eval-1"
    assert by_default and (by_default.line, by_default.warns) == (told, False)
    every = checkpoints_stage(arm_of(batches=["*"])).watches["batches_trained"]
    assert every(platform, warehouse, ["0"]) is None


def test_held_out_tasks_are_not_trained_on_whatever_their_batch_is_called(platform: Home) -> None:
    rows = frame_of(make_rows(2, seed=3))
    held_out = rows.with_columns(
        trajectory_id="played-" + pl.col("trajectory_id"),
        instance_id=pl.lit("lab__median-90001-0007"),
    )
    put(platform, "masked_tokens/srft", "played", held_out)
    said = (
        r"arm srft: played hold runs of the held-out tasks of evaluation.task_seed 90001, .* state "
        r"training.batches: \['\*', '!eval-\*', '!played'\]"
    )
    with pytest.raises(SrftError, match=said):
        make(checkpoints_stage(arm_of()), platform, InProcess())
    batches = ["*", "!eval-*", "!played"]
    assert make(checkpoints_stage(arm_of(batches=batches)), platform, InProcess())


def test_rows_too_long_to_train_are_told(platform: Home) -> None:
    stage = checkpoints_stage(arm_of())
    assert stage.watches["rows_trained"](platform, Warehouse(platform.warehouse), ["0"]) is None
    make(stage, platform, InProcess())
    said = stage.watches["rows_trained"](platform, Warehouse(platform.warehouse), ["0", "1"])
    assert said and said.line.startswith(
        "1 of 11 rows are longer than training.max_length (100 tokens) and are not trained"
    )


def test_an_arm_whose_runs_are_all_too_long_says_what_to_change(platform: Home) -> None:
    put(platform, "masked_tokens/srft", "lab-1", frame_of([([5] * 101, [(1, 50, True)])]))
    said = (
        "1 over 100 tokens.: raise training.max_length, or state `too_long: windows` or `cut`, "
        "in the arm or for all under `training:` of srft.yaml"
    )
    with pytest.raises(SrftError, match=said):
        make(checkpoints_stage(arm_of()), platform, launch)


def test_an_arm_without_a_trainable_row_says_so(platform: Home) -> None:
    silent = [(ids, []) for ids, _ in make_rows(2)]
    put(platform, "masked_tokens/srft", "lab-1", frame_of(silent))
    arm = arm_of().model_copy(update={"runs": "resolved"})
    said = "arm srft: no resolved run to train on in batches lab-1 .2 without a trained token"
    with pytest.raises(SrftError, match=said):
        make(checkpoints_stage(arm), platform, launch)


def test_a_base_model_that_is_gone_is_named(platform: Home, tmp_path: Path) -> None:
    gone = pl.DataFrame({"name": ["tiny"], "path": [str(tmp_path / "gone")]})
    put(platform, "base_models/tiny", "all", gone)
    with pytest.raises(SrftError, match="the base model tiny has no folder"):
        make(checkpoints_stage(arm_of()), platform, launch)


def test_a_model_folder_of_ones_own_is_no_edge_but_its_weights_count(
    platform: Home, base_model: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(base_model, copy)
    stage = checkpoints_stage(arm_of().model_copy(update={"model": str(copy)}))
    assert [edge.asset for edge in stage.upstream] == ["masked_tokens/srft"]
    warehouse = Warehouse(platform.warehouse)
    before = recipe_of(stage, platform, warehouse, "0")
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\0")
    after = recipe_of(stage, platform, warehouse, "0")
    assert [line.split(":")[0] for line in after.changes_from(before)] == ["base_model"]


@pytest.mark.parametrize("changed", ["srft", "scored"])
def test_rows_that_are_made_anew_before_they_are_read_are_no_failure(
    platform: Home, changed: str
) -> None:
    calls: list[Sequence[str]] = []
    in_process = InProcess()
    put(platform, "masked_tokens/scored", "lab-1", frame_of(make_rows(10)))

    def launcher(argv: Sequence[str], env: Mapping[str, str], prefix: Sequence[str] = ()) -> None:
        calls.append(argv)
        if len(calls) == 1:
            put(platform, f"masked_tokens/{changed}", "lab-1", frame_of(make_rows(8, seed=4)))
            raise SrftError("the training's own words")
        in_process(argv, env)

    validation = {"validation": {"tasks": 2, "arm": "scored"}} if changed == "scored" else {}
    stage = checkpoints_stage(arm_of(**validation))

    def work_on(recipe: Recipe) -> Work:
        return replace(work_alone(stage, platform, "0", launch=launcher), recipe=recipe)

    made, _ = make_current(stage, platform, "0", work_on)
    assert made.frame["rows"].to_list() == [8]
    assert len(calls) == 2


def test_a_training_that_fails_for_another_reason_is_not_tried_again(platform: Home) -> None:
    def launcher(argv: Sequence[str], env: Mapping[str, str], prefix: Sequence[str] = ()) -> None:
        raise SrftError("out of memory")

    with pytest.raises(SrftError, match=r"^out of memory$"):
        make(checkpoints_stage(arm_of()), platform, launcher)


@pytest.mark.parametrize("length", [-1, 1])
def test_a_length_that_no_row_can_have_is_refused(length: int) -> None:
    with pytest.raises(ValidationError, match="max_length"):
        arm_of(max_length=length)


def test_a_setting_out_of_range_is_named(platform: Home) -> None:
    said = "arm srft: training.micro_batch_tokens: Input should be greater than or equal to 1"
    with pytest.raises(SrftError, match=said):
        make(checkpoints_stage(arm_of(options={"micro_batch_tokens": 0})), platform, launch)


def test_the_plan_knows_how_many_tokens_training_and_validation_take(platform: Home) -> None:
    frame = frame_of(make_rows(10))
    told = int(select(("lab-1", frame)).rows["n_trained"].sum())
    tokens = int(frame["n_tokens"].sum())
    figures = {"tokens_trained": told, "tokens": tokens, "tasks": 10}
    put(platform, "masked_tokens/srft", "lab-1", frame, **figures)

    def estimate(arm: ArmSpec) -> Cost:
        stage = checkpoints_stage(arm)
        assert stage.estimate is not None
        return stage.estimate(Planned(platform, Warehouse(platform.warehouse), "0", None, None))

    cost, drawn = estimate(arm_of()), 3 * 4
    assert (cost.tokens_to_train, cost.tokens) == (
        round(told / 10 * drawn),
        round(tokens / 10 * drawn),
    )
    assert not cost.unknown.keys() & {"tokens", "tokens_to_train"}
    assert cost.tokens_to_validate == 0
    for tasks in (0.2, 2):
        validated = estimate(arm_of(validation={"tasks": tasks, "every": 2}))
        assert validated.tokens_to_validate == round(tokens * 0.2 * 3)
        assert validated.tokens == cost.tokens
        assert validated.gpu_hours > cost.gpu_hours
    training = TrainingSpec(epochs=3, batch_size=4, validation=Validation(tasks=0.2))
    epochs = estimate(ArmSpec(name="srft", training=training))
    assert epochs.tokens == round(tokens / 10 * 6 * 4)


def test_validations_read_the_rows_of_the_arm_that_is_scored(platform: Home) -> None:
    rows, all_rows = frame_of(make_rows(10)), frame_of(make_rows(40))
    for arm, frame in {"rft": rows, "srft": all_rows}.items():
        tokens = int(frame["n_tokens"].sum())
        figures = {"tokens_trained": 1, "tokens": tokens, "tasks": frame.height}
        put(platform, f"masked_tokens/{arm}", "lab-1", frame, **figures)

    def estimate(validation: dict[str, object]) -> Cost:
        arm = arm_of(validation={"every": 2, **validation}).model_copy(update={"name": "rft"})
        stage = checkpoints_stage(arm)
        assert stage.estimate is not None
        return stage.estimate(Planned(platform, Warehouse(platform.warehouse), "0", None, None))

    share = estimate({"tasks": 0.2, "arm": "srft"})
    assert share.tokens_to_validate == round(int(all_rows["n_tokens"].sum()) * 0.2 * 3)
    number = estimate({"tasks": 4, "arm": "srft"})
    assert number.tokens_to_validate == round(int(all_rows["n_tokens"].sum()) * 0.1 * 3)
    assert estimate({"tasks": 2}).tokens_to_validate == round(int(rows["n_tokens"].sum()) * 0.2 * 3)
    nowhere = estimate({"tasks": 2, "arm": "nowhere"})
    assert nowhere.tokens_to_validate == 0 and "tokens_to_validate" in nowhere.unknown


def test_a_checkpoint_tells_the_losses_of_held_out_tasks(platform: Home) -> None:
    arm = arm_of(validation={"tasks": 3, "every": 2})
    made, _ = make(checkpoints_stage(arm), platform, InProcess())
    (row,) = made.frame.iter_rows(named=True)
    assert (row["rows"], row["kept_step"], row["validation_tasks"]) == (7, 3, 3)
    assert [point["step"] for point in row["validation_curve"]] == [0, 2, 3]
    last = row["validation_curve"][-1]
    assert last["loss"] == last["good"] == row["validation_loss"]
    assert last["mistake"] > 0 and last["recover"] is None
    figures = made.metadata
    assert figures["validation_loss_mistake"] == last["mistake"]
    assert (figures["validation_rows"], figures["ended_early"]) == (3, False)
    assert figures["validation_curve"].columns == ["step", "loss", "good", "mistake"]
    assert len(figures["validation_curve"].rows) == 3
    card = (platform.root / row["path"] / "README.md").read_text()
    assert f"| validation loss of mistake steps | {last['mistake']:.4f} |" in card


def test_an_arm_without_labels_is_scored_by_those_of_another(platform: Home) -> None:
    """On the same rows, of the same tasks, though it has runs of a task less."""
    whole = [(ids, [(start, end, True) for start, end, _ in spans]) for ids, spans in make_rows(9)]
    bare = frame_of(whole).with_columns(
        spans=pl.col("spans").list.eval(
            pl.element().struct.with_fields(label=pl.lit(None, pl.String))
        )
    )
    put(platform, "masked_tokens/sft", "lab-1", bare)
    held_out = {"tasks": 3, "every": 3, "arm": "srft"}
    arms = [arm_of(validation=held_out).model_copy(update={"name": n}) for n in ("srft", "sft")]
    srft, sft = ([*make(checkpoints_stage(arm), platform, InProcess())] for arm in arms)
    assert "masked_tokens/srft/lab-1" in sft[1].recipe.inputs
    curves = [made.frame["validation_curve"].to_list()[0] for made, _ in (srft, sft)]
    assert curves[0][0] == curves[1][0]
    assert curves[0][1]["mistake"] > curves[1][1]["mistake"]


@pytest.mark.parametrize(
    ("tasks", "said"),
    [
        (10, "of the 10 tasks of masked_tokens/srft, leaves no row to train on: lower it"),
        (0.0001, "holds out no token with loss: raise it, or state a number of tasks"),
    ],
)
def test_a_split_that_leaves_one_side_empty_is_told(
    platform: Home, tasks: float, said: str
) -> None:
    arm = arm_of(validation={"tasks": tasks})
    with pytest.raises(SrftError, match=f"arm srft: training.validation.tasks {tasks}, .*{said}"):
        make(checkpoints_stage(arm), platform, launch)
