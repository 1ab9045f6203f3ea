"""A cell gives what the platform's own assets give."""

from dataclasses import replace
from pathlib import Path

import pytest

from srft_assets.experiment.bench import Bench
from srft_assets.experiment.cell import run_cell
from srft_assets.experiment.data import BATCH, Data, arm_spec
from srft_assets.experiment.design import Cell, Form, Rows
from srft_assets.home import Home
from srft_assets.rollouts.stage import eval_scores_stage
from srft_assets.tokens.stage import masked_tokens_stage
from srft_assets.training.launch import launch
from srft_assets.training.stage import checkpoints_stage
from srft_assets.warehouse.making import make_partition, work_alone
from tests.experiment.conftest import REGIME

STEPS, TASKS = 4, 6


@pytest.fixture
def bench(data: Data, tmp_path: Path) -> Bench:
    """Few steps and tasks; results lie apart from those of other tests."""

    class Apart(Bench):
        folder = tmp_path / "experiment"

    return Apart(data, REGIME, Form(seeds=1, tasks=TASKS, steps=STEPS))


@pytest.mark.timeout(600)
def test_a_cell_equals_checkpoints_and_eval_scores(bench: Bench, monkeypatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    arm = arm_spec("srft")
    training = {
        "max_steps": STEPS,
        "batch_size": REGIME.batch_size,
        "learning_rate": REGIME.learning_rate,
        "warmup_ratio": REGIME.warmup_ratio,
    }
    playing = {
        "tasks": TASKS,
        "task_seed": REGIME.held_out_seed,
        "step_limit": REGIME.step_limit,
        "max_new_tokens": REGIME.max_new_tokens,
        "temperature": REGIME.temperature,
    }
    arm = arm.model_copy(
        update={
            "training": arm.training.model_copy(update=training),
            "evaluation": arm.evaluation.model_copy(update=playing),
        }
    )
    home = bench.data.home
    for stage, name in (
        (masked_tokens_stage(arm), BATCH),
        (checkpoints_stage(arm), "0"),
        (eval_scores_stage(arm), "0"),
    ):
        work = work_alone(stage, home, name)
        work = replace(work, launch=lambda argv, env: launch(argv, env, lambda line: None))
        made, _ = make_partition(stage, work)
    result = run_cell(
        Cell(rows=Rows(arm="srft"), steps=STEPS, seed=0), bench, lambda doing, done, of: None
    )
    checkpoint = bench.data.warehouse.read("checkpoints/srft", "0")
    assert result.training["final_loss"] == checkpoint["final_loss"][0]
    assert result.training["trained_tokens"] == checkpoint["trained_tokens"][0]
    platform = {
        row["instance_id"]: (row["status"], row["exit_status"])
        for row in made.frame.iter_rows(named=True)
    }
    ours = {name: (status, end) for name, status, end, *_ in result.scores}
    assert ours == platform


def test_a_finished_cell_is_not_run_again(bench: Bench) -> None:
    cell = Cell(rows=None, steps=0, seed=0)
    first = run_cell(cell, bench, lambda *_: None)
    written = bench.path(cell).stat().st_mtime_ns
    assert run_cell(cell, bench, lambda *_: None) == first
    assert bench.path(cell).stat().st_mtime_ns == written
    assert first.training == {}
    assert [name for name, *_ in first.scores] == [task.instance_id for task in bench.tasks]


def test_names_follow_all_that_decides(bench: Bench) -> None:
    cells = [
        Cell(rows=None, steps=0, seed=0),
        Cell(rows=Rows(arm="srft"), steps=4, seed=0),
        Cell(rows=Rows(arm="srft"), steps=5, seed=0),
        Cell(rows=Rows(arm="srft"), steps=4, seed=1),
        Cell(rows=Rows(arm="srft", seed=1), steps=4, seed=0),
    ]
    hotter = Bench(bench.data, REGIME.model_copy(update={"temperature": 0.1}), bench.form)
    names = [cell.name(one.fixed) for cell in cells for one in (bench, hotter)]
    assert len(set(names)) == len(names)
    other = Bench(Data(Home(bench.data.home.root)), REGIME, bench.form)
    assert other.fixed == bench.fixed
