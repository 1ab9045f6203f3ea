"""An arm that trains nothing: the base model, scored beside the others."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from srft_assets.errors import SrftError, UsageError
from srft_assets.home import Home
from srft_assets.platform.stages import arm_stages
from srft_assets.project.settings import settings
from srft_assets.tokens.arm import ArmSpec, TrainingSpec
from srft_assets.training.model import find_trained
from srft_assets.training.stage import untrained_stage
from srft_assets.warehouse.making import make_partition, work_alone
from srft_assets.warehouse.partitions import Warehouse
from srft_assets.warehouse.plan import State, state_of
from srft_assets.warehouse.stage import Stage


def base_arm(model: Path | str, **stated: object) -> ArmSpec:
    return ArmSpec(name="base", model=str(model), training=TrainingSpec(method="none"), **stated)


def make(stage: Stage, home: Home, seed: str) -> dict[str, object]:
    """Its row; nothing is started."""
    make_partition(stage, work_alone(stage, home, seed))
    return Warehouse(home.warehouse).read(stage.key, seed).row(0, named=True)


def test_its_checkpoint_is_the_folder_of_the_base_model(home: Home, base_model: Path):
    stage = untrained_stage(base_arm(base_model))
    one, other = (make(stage, home, seed) for seed in ("0", "1"))
    assert home.root / str(one["path"]) == base_model
    assert (one["steps"], one["tokens"], one["loss_curve"]) == (0, 0, [])
    assert one["weights_sha256"] == other["weights_sha256"]
    assert not (home.artifacts / "checkpoints").exists(), "nothing is copied"
    with pytest.raises(UsageError, match="trains nothing"):
        find_trained(home, "base", "0")


def test_another_base_model_makes_it_stale_and_no_run_does(home: Home, base_model: Path):
    stage = untrained_stage(base_arm(base_model))
    make(stage, home, "0")
    warehouse = Warehouse(home.warehouse)
    assert state_of(stage, home, warehouse, "0").state is State.IN_SYNC
    assert stage.upstream == ()
    other = untrained_stage(base_arm("tiny"))
    assert [edge.asset for edge in other.upstream] == ["base_models/tiny"]


def test_it_has_no_masked_tokens(base_model: Path):
    keys = [stage.key for stage in arm_stages(base_arm(base_model), settings())]
    assert keys == ["checkpoints/base", "eval_scores/base"]


def test_a_model_that_is_nowhere_is_told_by_name(home: Home, tmp_path: Path):
    with pytest.raises(SrftError, match="nobody/nothing could not be fetched"):
        make(untrained_stage(base_arm("nobody/nothing")), home, "0")
    with pytest.raises(SrftError, match=r"holds no \*.safetensors"):
        make(untrained_stage(base_arm(tmp_path)), home, "0")


def test_labels_mask_nothing_that_is_not_trained():
    with pytest.raises(ValidationError, match="no labels mask"):
        base_arm("tiny", critic="rules")
