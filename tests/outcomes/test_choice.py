"""The choice of a grader, kept with its batch."""

import json
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from srft_assets.errors import SrftError, UsageError
from srft_assets.home import Home
from srft_assets.outcomes import grader_choice
from srft_assets.outcomes.grader_choice import (
    Grading,
    copied_dataset,
    grading_path,
    read_grading,
    wanted_tasks,
    write_grading,
)
from srft_assets.outcomes.stage import test_outcomes_stage
from srft_assets.plugins import GRADERS
from srft_assets.trajectories.ingest import ingest
from srft_assets.trajectories.stage import trajectories_stage
from srft_assets.warehouse.partitions import Warehouse
from srft_assets.warehouse.plan import state_of
from tests.outcomes.conftest import make
from tests.outcomes.row_support import ROW, TASK
from tests.outcomes.stage_support import write_run


@pytest.fixture
def batch(home: Home, tmp_path: Path) -> str:
    """A batch whose outcomes were made from what its runs say."""
    write_run(tmp_path / "runs", "one", TASK, "diff --git a/x b/x\n")
    ingest(home, [tmp_path / "runs"], batch="batch")
    make(home, trajectories_stage(), "batch")
    make(home, test_outcomes_stage(), "batch")
    return "batch"


def why(home: Home) -> tuple[str, ...]:
    """Why the outcomes of the batch are stale."""
    return state_of(test_outcomes_stage(), home, Warehouse(home.warehouse), "batch").why


def chosen(dataset: Path, **more: Any) -> Grading:
    return Grading(grader="swebench", dataset=str(dataset), **more)


def test_nobody_is_chosen_at_first(home: Home, batch: str) -> None:
    assert read_grading(home, batch) == Grading(grader="reports")
    write_grading(home, batch, Grading())
    assert why(home) == ()


def test_what_is_written_is_read(home: Home, dataset: Path) -> None:
    grading = chosen(dataset, workers=5, timeout=60, network=True)
    write_grading(home, "batch", grading)
    assert read_grading(home, "batch") == grading
    assert not list(grading_path(home, "batch").parent.glob(".*"))


@pytest.mark.parametrize("name", ["../up", "a/b", ""])
def test_unsafe_names_are_refused(home: Home, name: str) -> None:
    with pytest.raises(UsageError):
        grading_path(home, name)


def test_a_damaged_choice_says_what_to_do(home: Home) -> None:
    path = grading_path(home, "batch")
    path.parent.mkdir(parents=True)
    path.write_text('{"grader": 1}')
    with pytest.raises(SrftError, match=r"grading.json: grader: .*srft grade batch"):
        read_grading(home, "batch")


def test_a_grader_that_is_not_installed_is_named_with_the_file_of_the_choice(
    home: Home, batch: str, dataset: Path
) -> None:
    write_grading(home, batch, Grading(grader="somebody", dataset=str(dataset)))
    with pytest.raises(SrftError, match=r"grading.json: no grader 'somebody' is installed; there"):
        make(home, test_outcomes_stage(), batch)


def test_a_choice_makes_the_outcomes_of_its_batch_stale(
    home: Home, batch: str, dataset: Path
) -> None:
    write_grading(home, batch, chosen(dataset))
    assert any("grading grader" in line for line in why(home))


@pytest.fixture
def settled(home: Home, batch: str, dataset: Path) -> Path:
    """The batch, in sync with a grader that cannot grade this row."""
    write_grading(home, batch, chosen(dataset))
    made = make(home, test_outcomes_stage(), batch)
    assert made.frame["status"].to_list() == ["infra_error"]
    assert why(home) == ()
    return dataset


@pytest.mark.parametrize(
    "settings", [{"timeout": 9}, {"network": True}, {"sys_admin": True}, {"asked_again": 1}]
)
def test_settings_that_decide_make_it_stale(
    home: Home, settled: Path, settings: dict[str, Any]
) -> None:
    write_grading(home, "batch", chosen(settled, **settings))
    (line,) = why(home)
    assert next(iter(settings)) in line


def test_so_does_another_harness(
    home: Home, settled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grader_choice, "installed", lambda name: "99.0")
    (line,) = why(home)
    assert "grading harness" in line and "99.0" in line


def test_the_table_of_repositories_counts_and_its_layout_does_not(
    home: Home, batch: str, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "own_grader"
    package.mkdir()
    (package / "__init__.py").write_text("VERSION = 1\n")
    table = package / "recipes.yaml"
    monkeypatch.syspath_prepend(tmp_path)
    found = EntryPoint("own", "own_grader:grade", GRADERS)
    monkeypatch.setattr(grader_choice, "plugins", lambda group: {"own": found})
    write_grading(home, batch, Grading(grader="own", dataset=str(dataset)))

    def digest_of(text: str) -> str:
        table.write_text(text)
        return grader_choice.chosen_config(home, batch)["grading tables"]

    one = digest_of("demo/adder: {runner: pytest}\n")
    assert digest_of("# said otherwise\ndemo/adder:\n  runner: pytest\n") == one
    assert digest_of("demo/adder: {runner: django}\n") != one


@pytest.mark.parametrize("settings", [{"workers": 9}, {"attempts": 1}])
def test_how_fast_it_is_does_not(home: Home, settled: Path, settings: dict[str, Any]) -> None:
    write_grading(home, "batch", chosen(settled, **settings))
    assert why(home) == ()


def test_a_wanted_row_that_changed_makes_it_stale_and_another_place_does_not(
    home: Home, settled: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere.jsonl"
    elsewhere.write_text(json.dumps({**ROW, "instance_id": "other__other-1"}) + "\n")
    with elsewhere.open("a") as file:
        file.write(json.dumps(ROW) + "\n")
    write_grading(home, "batch", chosen(elsewhere))
    assert why(home) == ()
    elsewhere.write_text(json.dumps({**ROW, "FAIL_TO_PASS": ["another"]}) + "\n")
    (line,) = why(home)
    assert "grading rows" in line


def test_a_data_set_that_is_gone_stops_its_batch_and_not_the_plan(
    home: Home, settled: Path
) -> None:
    settled.unlink()
    assert any("grading rows" in line for line in why(home))
    with pytest.raises(SrftError, match="is not on this machine"):
        make(home, test_outcomes_stage(), "batch")


def test_rows_of_the_hub_are_read_from_their_copy(home: Home, batch: str) -> None:
    grading = Grading(grader="swebench", dataset="owner/name")
    copied_dataset(home, batch).parent.mkdir(parents=True, exist_ok=True)
    copied_dataset(home, batch).write_text(json.dumps(ROW) + "\n")
    assert list(wanted_tasks(home, batch, grading)) == [TASK]


def test_a_run_without_a_row_is_unknown_and_in_quarantine(
    home: Home, batch: str, dataset: Path
) -> None:
    dataset.write_text(json.dumps({**ROW, "instance_id": "other__other-1"}) + "\n")
    write_grading(home, batch, chosen(dataset))
    made = make(home, test_outcomes_stage(), batch)
    assert made.frame["status"].to_list() == ["unknown"]
    (refusal,) = made.refused
    assert f"no row {TASK} in {dataset}" in refusal.reason
    assert made.frame["reason"].to_list() == [refusal.reason]
