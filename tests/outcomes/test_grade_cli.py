"""`srft grade`: choosing who grades a batch."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from srft_assets.home import Home
from srft_assets.outcomes.grader_choice import Grading, read_grading
from srft_assets.plugins import GRADERS, plugins
from srft_assets.trajectories.ingest import ingest
from tests.cli.conftest import Srft, speaking
from tests.outcomes.row_support import ROW, TASK
from tests.outcomes.stage_support import report, write_run

__all__ = ["speaking"]


@pytest.fixture
def srft(home: Home, tmp_path: Path, speaking: Callable[[Home], Srft]) -> Srft:
    """The command line on a platform with one batch of one run, with a report beside it."""
    write_run(tmp_path / "runs", "one", TASK, "diff --git a/x b/x\n")
    report(tmp_path / "runs", TASK, resolved=True)
    ingest(home, [tmp_path / "runs"], batch="mine")
    return speaking(home)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("nowhere",), "no batch 'nowhere'; there are: mine"),
        (
            ("mine", "--grader", "magic"),
            "no grader 'magic' is installed; there are: local, swebench",
        ),
        (("mine", "--grader", "swebench"), "needs --dataset FILE_OR_ID"),
        (("mine", "--grader", "local", "--dataset", "gone.jsonl"), "no data set 'gone.jsonl'"),
        (
            ("mine", "--grader", "swebench", "--dataset", "bare.jsonl"),
            "has no image, eval_script",
        ),
        (("mine", "--grader", "swebench", "--dataset", "whole.jsonl"), "no Docker daemon answers"),
        (("mine", "--workers", "0"), "--workers"),
        (("mine", "--workers", "300"), "error: --workers: Input should be less than or equal to"),
    ],
)
def test_wrong_calls_choose_nothing(
    srft: Srft,
    home: Home,
    words: tuple[str, ...],
    reason: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    whole = dict.fromkeys(("image", "eval_script", "log_parser", "eval_type"), "x")
    Path("bare.jsonl").write_text(json.dumps(ROW) + "\n")
    Path("whole.jsonl").write_text(json.dumps(ROW | whole) + "\n")
    said = srft("grade", *words)
    assert said.code in (1, 2) and reason in said.err
    assert read_grading(home, "mine") == Grading()


def test_a_grader_that_is_not_installed_says_what_to_install(
    srft: Srft, home: Home, dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without = {name: found for name, found in plugins(GRADERS).items() if name != "local"}
    monkeypatch.setattr("srft_assets.plugins.plugins", lambda group: without)
    said = srft("grade", "mine", "--grader", "local", "--dataset", str(dataset))
    assert said.code == 2
    assert said.err == (
        "error: the grader 'local' is not installed: pip install ./plugins/srft-sdists\n"
    )
    assert read_grading(home, "mine") == Grading()


def test_a_data_set_without_any_of_the_instances_is_refused(
    srft: Srft, home: Home, dataset: Path
) -> None:
    dataset.write_text(json.dumps({**ROW, "instance_id": "other__other-1"}) + "\n")
    said = srft("grade", "mine", "--grader", "swebench", "--dataset", str(dataset))
    assert said.code == 2
    assert f"0 of the batch's 1 instances, e.g. not {TASK}" in said.err
    assert read_grading(home, "mine") == Grading()


def test_reports_are_the_default(srft: Srft) -> None:
    said = srft("grade", "mine")
    assert said.code == 0
    assert "batch mine: 1 run, by the reports found beside them" in said.out
    assert any(line.split()[:3] == ["resolved", "1", "100.0%"] for line in said.out.splitlines())


def test_options_left_out_stay_and_failures_of_the_machine_are_asked_again(
    srft: Srft, home: Home, dataset: Path
) -> None:
    words = ("--grader", "local", "--dataset", str(dataset), "--timeout", "60")
    said = srft("grade", "mine", *words, "--workers", "3")
    assert said.code == 0, said.err
    assert "data set: 1 of the batch's 1 instances" in said.out
    assert "graded by the local sandbox, without network" in said.out
    assert "the machine failed at 1; once that is mended: srft grade mine" in said.out
    assert any(line.split()[:2] == ["resolved", "1"] for line in said.out.splitlines())

    assert srft("grade", "mine").code == 0
    again = read_grading(home, "mine")
    assert (again.timeout, again.workers, again.asked_again) == (60, 3, 1)
    assert again.dataset == str(dataset)

    # Attempts, workers and mirrors decide no outcome, yet are what may mend the machine.
    assert srft("grade", "mine", "--attempts", "1").code == 0
    assert read_grading(home, "mine").asked_again == 2
    assert srft("grade", "mine", "--timeout", "90").code == 0
    assert read_grading(home, "mine").asked_again == 2, "another timeout is another question"

    assert "by the reports" in srft("grade", "mine", "--grader", "reports").out
    assert read_grading(home, "mine").dataset == str(dataset)


def test_mirrors_are_found_from_wherever_the_batch_is_graded(
    srft: Srft, home: Home, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mirrors").mkdir()
    monkeypatch.chdir(tmp_path)
    words = ("--grader", "local", "--dataset", str(dataset))
    said = srft("grade", "mine", *words, "--sources", "mirors")
    assert said.code == 2 and "--sources" in said.err and "mirors" in said.err
    assert read_grading(home, "mine") == Grading()
    assert srft("grade", "mine", *words, "--sources", "mirrors").code == 0
    assert read_grading(home, "mine").sources == str(tmp_path / "mirrors")
