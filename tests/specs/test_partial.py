"""What fails costs one partition; what is edited during a run is not mixed into it."""

import shutil
import time
from pathlib import Path

import orjson
import polars as pl
import pytest

from srft_assets.warehouse.making import make_current, recipe_of, work_alone
from srft_assets.warehouse.partitions import InputChangedError, Warehouse
from srft_assets.warehouse.stage import Made, Stage
from tests.critic.server import Server
from tests.specs.checkout import Checkout
from tests.specs.project import Project

DEFAULT = "step_verdicts/default"
RULES = "step_verdicts/rules"
ONE = pl.Schema({"n": pl.Int64})
PROMPT = "srft_assets/defs/critics/default/prompt.md"


def test_one_bad_batch_stops_nothing_behind_the_others(project: Project, tmp_path: Path):
    checkout = Checkout.copy(tmp_path / "checkout")
    for asset in ("trajectories", "test_outcomes", "step_verdicts/rules"):
        shutil.rmtree(project.home.warehouse / asset)
    (project.root / "runs" / "a.jsonl").unlink()

    ran = checkout.start(project.home, "apply", RULES)
    printed, _ = ran.communicate(timeout=200)
    assert ran.returncode == 1, printed
    lines = printed.splitlines()
    made = [line for line in lines if line.startswith("made ")]
    assert made == ["made trajectories: b", "made test_outcomes: b", f"made {RULES}: b"]
    failed = [line for line in lines if line.startswith("failed ")]
    assert failed[0].startswith("failed trajectories a: batch a: 1 of 1 sources are not as they")
    assert failed[1:] == [
        "failed test_outcomes a: waits for trajectories/a, which failed",
        f"failed {RULES} a: waits for trajectories/a, which failed",
    ]
    assert "3 partitions failed; mend what is told above" in lines[-1]


def test_two_edits_during_one_run(project: Project, server: Server, tmp_path: Path):
    """The run goes on with the prompt that it read first; the plan knows of the last."""
    checkout = Checkout.copy(tmp_path / "checkout")
    checkout.edit(PROMPT, "Read the edits.", "Read the first.")
    paid, came = server.answered.total(), server.calls.total()
    server.delay = 2.0
    try:
        run = checkout.start(project.home, "apply", DEFAULT)
        deadline = time.monotonic() + 100
        while server.calls.total() == came and time.monotonic() < deadline:
            time.sleep(0.05)
        checkout.edit(PROMPT, "Read the first.", "Read the second.")
        checkout.edit(PROMPT, "Read the second.", "Read the third.")
        printed, _ = run.communicate(timeout=200)
    finally:
        server.delay = 0.0
    assert run.returncode == 0, printed
    assert server.answered.total() - paid == 3

    prompts = {
        batch: project.warehouse.stamp(DEFAULT, batch).recipe.config["prompt.md"]
        for batch in ("a", "b")
    }
    assert all("Read the first." in text for text in prompts.values())
    versions = {project.warehouse.read(DEFAULT, batch)["version"].unique().item() for batch in "ab"}
    assert versions == {project.warehouse.read("critic_prompt/default")["version"].item()}

    planned = orjson.loads(checkout.srft(project.home, "plan", DEFAULT, "--json"))
    stale = {i["partition"]: i["why"] for i in planned["partitions"] if i["asset"] == DEFAULT}
    assert set(stale) == {"a", "b"}
    assert "first" in str(stale["a"]) and "third" in str(stale["a"])
    checkout.srft(project.home, "apply", DEFAULT)
    assert server.answered.total() - paid == 6


def settled(changes: int) -> tuple[Stage, list[str]]:
    """A stage whose setting is edited while each of its first makings is under way."""
    made: list[str] = []
    setting = ["0"]

    def make(work) -> Made:
        made.append(work.recipe.config["grader"])
        if len(made) <= changes:
            setting[0] = str(len(made))
        return Made(ONE.to_frame())

    stage = Stage(
        key="probe",
        partitioned_by="batch",
        upstream=(),
        schema=ONE,
        code={"version": 1},
        config_of=lambda home, batch: {"grader": setting[0]},
        make=make,
    )
    return stage, made


@pytest.mark.parametrize("changes", [0, 1, 2])
def test_a_setting_that_is_edited_while_a_partition_is_made_is_made_again(
    project: Project, changes: int
):
    stage, made = settled(changes)
    _, stamp = make_current(
        stage, project.home, "a", lambda recipe: work_alone(stage, project.home, "a")
    )
    assert made == [str(number) for number in range(changes + 1)]
    assert stamp.recipe.config["grader"] == made[-1]
    assert stamp.recipe == recipe_of(stage, project.home, Warehouse(project.home.warehouse), "a")


def test_a_setting_that_never_rests_is_told(project: Project):
    stage, _ = settled(99)
    with pytest.raises(InputChangedError, match="probe/a: grader changed meanwhile"):
        make_current(stage, project.home, "a", lambda recipe: work_alone(stage, project.home, "a"))
    assert project.warehouse.stamp("probe", "a") is None
