"""What `srft show --arm` finds of a run in the warehouse."""

import io
import shutil
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console

from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.show.find import find_run
from srft_assets.show.run import render_run
from srft_assets.tokens.arm import ArmSpec, TrainingSpec
from srft_assets.tokens.stage import masked_tokens_stage
from srft_assets.warehouse.partitions import ONLY, Stamp, Warehouse, data_version
from srft_assets.warehouse.recipe import Recipe
from tests.tokens.batch import filled, make, put

__all__ = ["filled"]


@pytest.fixture
def split(filled: Home, tmp_path: Path) -> Home:
    """An arm whose runs of three steps became rows of one step each; its model lies in `model`."""
    (folder,) = Warehouse(filled.warehouse).read("base_models/tiny")["path"]
    shutil.copytree(folder, tmp_path / "model")
    put(filled, "base_models/tiny", pl.DataFrame({"path": [str(tmp_path / "model")]}), ONLY)
    training = TrainingSpec(max_length=36)
    arm = ArmSpec(name="x", critic="rules", too_long="windows", overlap=0, training=training)
    stage = masked_tokens_stage(arm)
    frame = make(stage, filled).frame
    assert frame.filter(trajectory_id="bad")["part"].to_list() == [0, 1, 2]
    recipe = Recipe(config=stage.config)
    stamp = Stamp(recipe, recipe.fingerprint, data_version(frame), frame.height, "test", "")
    Warehouse(filled.warehouse).write(stage.key, "b", frame, stamp)
    return filled


def shown(home: Home) -> list[str]:
    found = find_run(home, "bad", arm="x")
    file = io.StringIO()
    Console(file=file, width=100).print(
        render_run(found.run, found.verdicts, found.outcome, found.rows, found.tokenizer)
    )
    return file.getvalue().splitlines()


def test_every_step_of_a_split_run_bears_its_sign(split: Home) -> None:
    lines = shown(split)
    signed = [line.strip() for line in lines if line.startswith((" + ", " - "))]
    assert signed == ["+ look<|im_end|>", "- break<|im_end|>", "+ mend<|im_end|>"]


def test_the_tokens_of_a_split_run_are_those_of_all_its_rows(split: Home) -> None:
    rows = Warehouse(split.warehouse).read("masked_tokens/x", "b").filter(trajectory_id="bad")
    (line,) = [line for line in shown(split) if "trained  -" in line]
    assert f"{rows['n_tokens'].sum()}  + {rows['n_trained'].sum()} trained" in line
    assert "in 3 rows" in line


def test_a_platform_that_was_moved_shows_the_same(split: Home, tmp_path: Path) -> None:
    (split.root / "artifacts").mkdir()
    shutil.move(tmp_path / "model", split.root / "artifacts" / "tiny")
    warehouse = Warehouse(split.warehouse)
    stamp = warehouse.stamp("base_models/tiny")
    assert stamp is not None
    row = warehouse.read("base_models/tiny").with_columns(path=pl.lit("artifacts/tiny"))
    warehouse.write("base_models/tiny", "all", row, stamp)
    before = shown(split)
    split.root.rename(tmp_path / "elsewhere")
    assert shown(Home(tmp_path / "elsewhere")) == before


def test_a_base_model_that_is_gone_is_told(split: Home, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "model")
    with pytest.raises(SrftError, match="srft apply base_models/tiny"):
        find_run(split, "bad", arm="x")


def test_an_arm_without_tokens_is_told_with_those_that_have_some(split: Home) -> None:
    with pytest.raises(SrftError, match=r"srft apply masked_tokens/y; there are tokens of: x$"):
        find_run(split, "bad", arm="y")
