"""Lab batches: played once, kept, gone on with after a crash."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.lab.tasks import generate_tasks
from srft_assets.lab.teacher import Teacher, collect
from srft_assets.outcomes.sandbox_grader import grade_patch
from srft_assets.outcomes.status import Status
from srft_assets.outcomes.task import TaskInstance
from srft_assets.sandbox.model import Sandbox
from srft_assets.trajectories.formats import read_record
from srft_assets.warehouse.stage import Work
from tests.lab.conftest import Counting, lab_work
from tests.lab.test_teacher import resolved
from tools.base_model.chats import rehearse_run

SETTINGS = {"count": 4, "task_seed": 41, "teacher_seed": 1}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def chats(folder: Path) -> dict[str, list]:
    return {
        name: [(m["role"], m["content"]) for m in json.loads(content)["messages"]]
        for name, content in contents(folder).items()
        if not name.startswith(".")
    }


def totals(work: Work) -> list[int | None]:
    assert isinstance(work.progress, Counting)
    return work.progress.totals


def test_a_batch_holds_its_tasks_and_one_run_each(work: Work, sandbox: Sandbox) -> None:
    folder = collect(work, SETTINGS)
    lines = (work.home.runs / "lab-test" / "tasks.jsonl").read_text().splitlines()
    assert [TaskInstance.model_validate_json(line) for line in lines] == generate_tasks(4, 41)
    assert folder.parent == work.home.runs / "lab-test"
    runs = [json.loads(content) for content in contents(folder).values()]
    assert {run["instance_id"] for run in runs} == {t.instance_id for t in generate_tasks(4, 41)}
    turns = [m for run in runs for m in run["messages"] if m["role"] == "assistant"]
    labels = [turn["extra"]["teacher"]["label"] for turn in turns]
    assert set(labels) <= {"good", "unnecessary", "mistake", "recover"}
    assert totals(work) == [4]


def test_the_platform_reads_and_grades_what_was_played(work: Work, sandbox: Sandbox) -> None:
    """Readers see no trace of the teacher's own labels; grading agrees with the rehearsal."""
    folder = collect(work, SETTINGS)
    for task in generate_tasks(4, 41):
        name = f"{task.instance_id}.traj.json"
        record = json.loads((folder / name).read_text())
        run = read_record(record, source=name, row=0, format=None)
        assert run.instance_id == task.instance_id
        assert run.format == "mini-swe-agent-1.1"
        assert len(run.steps) == record["info"]["model_stats"]["api_calls"]
        assert "recover" not in str(run) and "mistake" not in str(run)
        outcome = grade_patch(task, run.submission, sandbox, trajectory_id=run.trajectory_id)
        rehearsed = rehearse_run(task, Teacher(1, task.instance_id))
        assert (outcome.status is Status.RESOLVED) == resolved(task, rehearsed)


def test_collecting_again_plays_nothing(work: Work, sandbox: Sandbox) -> None:
    before = contents(collect(work, SETTINGS))
    assert contents(collect(work, SETTINGS)) == before
    assert totals(work) == [4, 0]


def test_other_settings_go_to_another_folder(work: Work, sandbox: Sandbox) -> None:
    first = collect(work, {**SETTINGS, "count": 2})
    other = collect(work, {**SETTINGS, "count": 2, "rates": {"needless": 0.9}})
    assert first != other
    assert len(contents(first)) == len(contents(other)) == 2


def test_a_crashed_run_is_played_again(work: Work, sandbox: Sandbox) -> None:
    folder = collect(work, {**SETTINGS, "count": 2})
    victim, kept = sorted(folder.iterdir())
    run = json.loads(victim.read_text())
    run["info"]["exit_status"] = "SandboxError"
    victim.write_text(json.dumps(run))
    before = kept.read_bytes()
    collect(work, {**SETTINGS, "count": 2})
    assert json.loads(victim.read_text())["info"]["exit_status"] != "SandboxError"
    assert kept.read_bytes() == before
    assert totals(work) == [2, 1]


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        ({"count": 0}, "setting count"),
        ({"count": "many"}, "setting count"),
        ({"task_seed": None}, "setting task_seed"),
        ({"colour": "red"}, "setting colour"),
        ({"rates": {"sloth": 1}}, "setting rates.sloth"),
    ],
)
def test_bad_settings_are_told_in_one_line(change: dict, hint: str, work: Work) -> None:
    with pytest.raises(SrftError, match=hint) as caught:
        collect(work, {**SETTINGS, **change})
    assert "\n" not in str(caught.value)
    assert not work.home.runs.exists()


KILLED = """
import sys
from pathlib import Path
from srft_assets.home import Home
from srft_assets.lab.teacher import collect
from tests.lab.conftest import lab_work
collect(lab_work(Home(Path(sys.argv[1]))), {settings})
"""


def test_killed_in_between_loses_and_doubles_nothing(tmp_path: Path, sandbox: Sandbox) -> None:
    disturbed, calm = Home(tmp_path / "disturbed"), Home(tmp_path / "calm")
    argv = [sys.executable, "-c", KILLED.format(settings=SETTINGS), str(disturbed.root)]
    for wanted in (1, 2):
        process = subprocess.Popen(argv, start_new_session=True)
        while process.poll() is None and len(whole_runs(disturbed)) < wanted:
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    survived = {path: path.read_bytes() for path in whole_runs(disturbed)}
    assert survived
    folder = collect(lab_work(disturbed), SETTINGS)
    assert all(path.read_bytes() == content for path, content in survived.items())
    assert chats(folder) == chats(collect(lab_work(calm), SETTINGS))


def whole_runs(home: Home) -> list[Path]:
    return sorted(home.runs.glob("lab-test/*/[!.]*.traj.json"))
