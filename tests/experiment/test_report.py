"""The whole experiment, tiny, through the engine: one training fails, the next call mends it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from filelock import FileLock
from rich.console import Console

from srft_assets.cli.lab import run
from srft_assets.errors import SrftError
from srft_assets.experiment.design import ARMS, BASE, Design
from srft_assets.experiment.report import SCORES, check_outcomes
from srft_assets.processes import launch as launching
from srft_assets.warehouse.partitions import Warehouse
from tests.experiment.conftest import REGIME, TINY
from tests.experiment.forks import Forks

ONE = TINY.model_copy(update={"failed_shares": (1.0,)})


@pytest.fixture
def launched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Modules that the engine started, in order; in a home of their own."""
    seen: list[str] = []
    with Forks(tmp_path / "forks.log") as forks:

        def launch(argv, env, on_line) -> None:
            seen.append(argv[argv.index("-m") + 1])
            if len(seen) == FAILS:
                raise SrftError("no space left")
            forks.launch(argv, env, on_line)

        monkeypatch.setattr(launching, "launch", launch)
        monkeypatch.setenv("SRFT_HOME", "")
        monkeypatch.setenv("DAGSTER_HOME", "")
        yield seen


FAILS = 4
"""Which process fails, from 1."""
TRAINING, PLAYING = "srft_assets.training.main", "srft_assets.rollouts.evaluation"


def reproduce(folder: Path) -> str:
    """As `srft lab reproduce --out folder`; the report."""
    console = Console(quiet=True)
    run(console, folder, ONE, REGIME, "srft lab reproduce")
    return (folder / "report.md").read_text()


def made(folder: Path) -> dict[str, int]:
    """Checkpoints and scores: path → when they were written."""
    paths = [*folder.glob("warehouse/checkpoints/*/0.parquet")]
    paths += folder.glob("warehouse/eval_scores/*/0.parquet")
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in paths}


@pytest.mark.timeout(600)
def test_a_failed_training_costs_itself_and_the_same_call_goes_on(
    design: Design, tmp_path: Path, launched: list[str]
) -> None:
    folder = tmp_path / "out"
    shutil.copytree(design.teacher.home.root, folder)
    with pytest.raises(SrftError, match="2 partitions failed"):
        reproduce(folder)
    before = made(folder)
    arms = [path.name for path in (folder / "defs" / "arms").iterdir()]
    assert len(before) == 2 * len(arms) - 2, "all but one checkpoint and its scores"
    assert not (folder / "report.md").exists()

    text = reproduce(folder)
    after = made(folder)
    assert len(after) == 2 * len(arms)
    assert before.items() <= after.items(), "what was made is not made again"
    assert launched.count(TRAINING) == len(arms) + 1
    assert launched.count(PLAYING) == len(arms)
    assert "it made 1 evaluations" in text
    for arm in (BASE, *ARMS):
        assert f"| {arm} |" in text
    assert f"{len(arms)} trainings" in text
    assert "no finding" in text
    for name in ("arms.png", "f1.png", "share.png", "scores.csv", "cells.csv"):
        assert (folder / name).stat().st_size > 500

    warehouse = Warehouse(folder / "warehouse")
    scores = pl.read_parquet(folder / "scores.parquet")
    assert scores.schema == SCORES
    assert set(scores["series"]) == {"steps", "tokens", "f1", "share"}
    for arm in ("base", "srft"):
        [own] = scores.filter(series="steps", arm=arm, seed=0).partition_by("arm")
        played = warehouse.read(f"eval_scores/{arm}", "0")
        assert own["instance_id"].to_list() == played["instance_id"].to_list()
        assert own["resolved"].to_list() == played["resolved"].to_list()

    assert_is_base_model(folder, warehouse)
    count = len(launched)
    assert "it made 0 evaluations" in reproduce(folder)
    assert len(launched) == count
    assert made(folder) == after
    assert scores.equals(pl.read_parquet(folder / "scores.parquet"))


def assert_is_base_model(folder: Path, warehouse: Warehouse) -> None:
    """The arm `base` has the weights of the base model, another arm has not."""
    from safetensors.torch import load_file

    [untrained] = folder.glob("artifacts/base_models/**/model.safetensors")
    expected = load_file(untrained)
    for arm, same in ((BASE, True), ("sft", False)):
        path = warehouse.read(f"checkpoints/{arm}", "0")["path"][0]
        found = load_file(folder / path / "model.safetensors")
        assert found.keys() == expected.keys()
        assert all(found[name].equal(expected[name]) for name in found) is same


def test_the_second_of_two_at_once_changes_nothing(tmp_path: Path) -> None:
    with (
        FileLock(tmp_path / ".reproduce.lock"),
        pytest.raises(SrftError, match=r"another srft lab reproduce .* --out"),
    ):
        reproduce(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".reproduce.lock"]


def test_runs_that_the_machine_failed_to_grade_are_no_experiment() -> None:
    outcomes = pl.DataFrame(
        {
            "trajectory_id": ["a", "b"],
            "status": ["resolved", "infra_error"],
            "reason": ["", "no sandbox"],
        }
    )
    check_outcomes(outcomes.head(1))
    with pytest.raises(SrftError, match=r"1 of the teacher's runs .*b: infra_error, no sandbox"):
        check_outcomes(outcomes)
