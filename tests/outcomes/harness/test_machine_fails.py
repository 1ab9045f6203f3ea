"""Failures of the machine: tried again, never the model's."""

import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.outcomes.harness.run import attempts_behind
from tests.outcomes.harness.conftest import Grade
from tests.outcomes.harness.docker_daemon import BASE
from tests.outcomes.harness.project import (
    COMMAND,
    GOLD,
    HANGING,
    IMAGE,
    WRONG,
    row,
    write_dataset,
)

TASK = "demo__adder-1"


@pytest.fixture
def late_image(client: Any) -> Iterator[str]:
    """Name of an image that is not there yet, of a registry that nobody runs."""
    name = f"localhost:1/srft-test-late:{uuid.uuid4().hex[:8]}"
    yield name
    if client.images.list(name):
        client.images.remove(name)


def test_an_image_that_comes_late_is_waited_for(
    home: Home, client: Any, tmp_path: Path, graded: Grade, late_image: str
) -> None:
    def deliver() -> None:
        logs = home.artifacts / "grading" / "logs" / "run_evaluation"
        while not list(logs.glob("*/attempt-1")):
            time.sleep(0.1)
        client.images.get(IMAGE).tag(late_image)

    threading.Thread(target=deliver, daemon=True).start()
    dataset = write_dataset(tmp_path / "rows.jsonl", row(TASK, image=late_image))
    graded_row = graded(dataset, {"gold": (TASK, GOLD)}, attempts=6)["gold"]
    assert graded_row["status"] == "resolved"
    first, *_, last = attempts_behind(graded_row["log"])
    assert first.status == "infra_error" and "srft-test-late" in first.reason
    assert last.status == "resolved"
    assert "the first failed" in graded_row["reason"]


def test_an_image_that_never_comes_is_no_failure_of_the_model(
    daemon: str, tmp_path: Path, graded: Grade, late_image: str
) -> None:
    dataset = write_dataset(tmp_path / "rows.jsonl", row(TASK, image=late_image))
    graded_row = graded(dataset, {"gold": (TASK, GOLD)}, attempts=2)["gold"]
    assert graded_row["status"] == "infra_error"
    assert [one.status for one in attempts_behind(graded_row["log"])] == ["infra_error"] * 2


def test_the_reference_patch_tells_whose_fault_an_unclear_failure_is(
    daemon: str, tmp_path: Path, graded: Grade
) -> None:
    """A module that is missing, or tests that hang, may be the patch or the environment."""
    lacking = "python3 -c 'import no_such_module_here'"
    broken = WRONG.replace("return a * b", "import no_such_module; return a * b")
    dataset = write_dataset(
        tmp_path / "rows.jsonl",
        row("demo__sound-1"),
        row("demo__lacking-1", command=lacking),
        row("demo__hanging-1", command=f"sleep 60; {COMMAND}"),
    )
    rows = graded(
        dataset,
        {
            "patch_lacks_module": ("demo__sound-1", broken),
            "patch_hangs": ("demo__sound-1", HANGING),
            "environment_lacks_module": ("demo__lacking-1", WRONG),
            "environment_hangs": ("demo__hanging-1", WRONG),
        },
        timeout=8,
    )
    assert {name: each["status"] for name, each in rows.items()} == {
        "patch_lacks_module": "unresolved",
        "patch_hangs": "timeout",
        "environment_lacks_module": "infra_error",
        "environment_hangs": "infra_error",
    }
    assert "reference patch fails here, too" in rows["environment_hangs"]["reason"]


def test_what_the_environment_failed_at_is_graded_again_once_it_is_mended(
    client: Any, tmp_path: Path, graded: Grade, late_image: str
) -> None:
    dataset = write_dataset(tmp_path / "rows.jsonl", row(TASK, image=late_image))
    client.images.get(BASE).tag(late_image)
    broken = graded(dataset, {"gold": (TASK, GOLD)})["gold"]
    assert broken["status"] == "infra_error" and "reference patch" in broken["reason"]

    client.images.get(IMAGE).tag(late_image)
    mended = graded(dataset, {"gold": (TASK, GOLD)})["gold"]
    assert mended["status"] == "resolved"
    assert mended["log"] == broken["log"]
    assert len(list(Path(mended["log"]).parents[1].glob("attempt-*"))) == 1


def test_signs_of_a_broken_machine_in_the_log_are_never_the_models(
    daemon: str, tmp_path: Path, graded: Grade
) -> None:
    command = f"echo 'fatal: Cannot allocate memory'; {COMMAND}"
    dataset = write_dataset(tmp_path / "rows.jsonl", row(TASK, command=command))
    rows = graded(dataset, {"wrong": (TASK, WRONG), "gold": (TASK, GOLD)}, attempts=2)
    assert rows["wrong"]["status"] == "infra_error"
    assert "out_of_memory" in rows["wrong"]["reason"]
    assert rows["gold"]["status"] == "resolved"


def test_a_row_of_an_older_revision_says_what_it_lacks(tmp_path: Path, graded: Grade) -> None:
    older = {name: value for name, value in row(TASK).items() if name != "eval_script"}
    graded_row = graded(write_dataset(tmp_path / "rows.jsonl", older), {"gold": (TASK, GOLD)})
    assert graded_row["gold"]["status"] == "infra_error"
    assert "no eval_script" in graded_row["gold"]["reason"]


def test_without_a_daemon_nothing_is_graded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, graded: Grade
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    dataset = write_dataset(tmp_path / "rows.jsonl", row(TASK))
    with pytest.raises(SrftError, match=r"no Docker daemon answers at unix://.*--grader local"):
        graded(dataset, {"gold": (TASK, GOLD)})


def test_a_report_names_its_schema_so_that_its_lists_are_known(
    daemon: str, home: Home, tmp_path: Path, graded: Grade
) -> None:
    graded(write_dataset(tmp_path / "rows.jsonl", row(TASK)), {"wrong": (TASK, WRONG)})
    (path,) = (home.artifacts / "grading").glob("logs/run_evaluation/*/srft.*.json")
    report = orjson.loads(path.read_bytes())
    assert report["schema_version"] == 2
    assert report["unresolved_ids"] == [TASK]
    assert report["infra_failure_ids"] == report["ambiguous_failure_ids"] == []
