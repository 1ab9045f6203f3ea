"""A checkpoint plays held-out tasks in the real sandbox; runs and scores are kept."""

from contextlib import nullcontext

import pytest

from srft_assets.agent.play import Play
from srft_assets.agent.protocol import SUBMIT, turn
from srft_assets.lab.tasks import generate_tasks
from srft_assets.lab.teacher import Rates, Teacher
from srft_assets.rollouts import batcher
from srft_assets.rollouts.evaluation import (
    EvaluationJob,
    attempt_path,
    evaluate,
    read_attempt,
    read_run,
)
from srft_assets.rollouts.stage import EVAL_SCORES, eval_scores_stage
from srft_assets.sandbox import SandboxError
from srft_assets.tokens.arm import ArmSpec, EvaluationSpec
from srft_assets.trajectories.model import TRAJECTORIES, from_row

ARM = ArmSpec(
    name="rft",
    evaluation=EvaluationSpec(tasks=3, task_seed=555, step_limit=3, max_new_tokens=12),
)
PERFECT = Rates(needless=0, wrong_edit=0, wrong_again=0, wrong_place=0, untested=0, give_up=0)


def job_in(folder, **settings) -> EvaluationJob:
    return EvaluationJob(
        label="rft/0",
        checkpoint=folder,
        tasks=folder / "tasks.jsonl",
        out=folder,
        **{"step_limit": 12, "max_new_tokens": 12, **settings},
    )


@pytest.fixture
def taught(monkeypatch):
    """Let the perfect teacher answer in the model's place."""

    def reply(self, messages):
        return Teacher(0, self._player, PERFECT).reply(messages)

    monkeypatch.setattr(batcher.SharedModel, "reply", reply)


def test_a_micro_checkpoint_is_played_kept_and_graded(sandbox, home, evaluation_of):
    stage = eval_scores_stage(ARM)
    work = evaluation_of(stage)
    made = stage.make(work)

    assert made.frame.schema == EVAL_SCORES
    assert made.frame["instance_id"].to_list() == [t.instance_id for t in generate_tasks(3, 555)]
    assert made.frame["resolved"].to_list() == [False] * 3
    assert made.metadata["resolution_rate"] == 0
    assert made.metadata["infra_errors"] == 0
    assert made.metadata["rate_95_high"] == pytest.approx(0.5615, abs=1e-3)

    kept = work.warehouse.read("eval_trajectories/rft", "0")
    assert kept.schema == TRAJECTORIES
    assert kept["batch"].unique().to_list() == ["eval-rft-0"]
    assert kept["trajectory_id"].to_list() == made.frame["trajectory_id"].to_list()
    assert [len(from_row(row).steps) for row in kept.iter_rows(named=True)] == made.frame[
        "n_steps"
    ].to_list()
    stamp = work.warehouse.stamp("eval_trajectories/rft", "0")
    assert stamp.fingerprint == work.recipe.fingerprint
    assert work.warehouse.partitions("trajectories") == []


def test_several_attempts_are_rows_and_runs_of_their_own(sandbox, evaluation_of):
    settings = ARM.evaluation.model_copy(update={"tasks": 2, "attempts": 2, "temperature": 1.0})
    stage = eval_scores_stage(ARM.model_copy(update={"evaluation": settings}))
    work = evaluation_of(stage)
    made = stage.make(work)
    tasks = [task.instance_id for task in generate_tasks(2, 555)]
    assert made.frame.select("instance_id", "attempt").rows() == [
        (task, attempt) for task in tasks for attempt in (0, 1)
    ]
    assert made.metadata["pass_at_2"] == 0
    kept = work.warehouse.read("eval_trajectories/rft", "0")
    assert kept["trajectory_id"].to_list() == made.frame["trajectory_id"].to_list()
    assert kept["trajectory_id"].n_unique() == 4


def test_more_tasks_and_attempts_play_only_those(sandbox, home, evaluation_of):
    def make(**settings):
        spec = ARM.evaluation.model_copy(update={"temperature": 1.0, **settings})
        stage = eval_scores_stage(ARM.model_copy(update={"evaluation": spec}))
        return stage.make(evaluation_of(stage)).frame

    def runs():
        return {path: path.stat().st_mtime_ns for path in home.runs.rglob("*.traj.json")}

    first, before = make(tasks=1), runs()
    every, after = make(tasks=2, attempts=2), runs()
    assert (len(before), len(after)) == (1, 4)
    assert before.items() <= after.items()
    assert every.head(1).equals(first)
    make(step_limit=2)
    assert len(runs()) == 4 + 3, "another limit is other runs"


def test_only_evaluation_settings_decide_the_scores(evaluation_of):
    recipe = evaluation_of(eval_scores_stage(ARM)).recipe
    other = ARM.model_copy(update={"description": "x", "critic": "y"})
    assert evaluation_of(eval_scores_stage(other)).recipe == recipe
    longer = ARM.model_copy(update={"evaluation": EvaluationSpec(step_limit=4)})
    assert evaluation_of(eval_scores_stage(longer)).recipe != recipe


def test_right_patches_are_resolved(sandbox, checkpoint, taught, tmp_path):
    tasks, heard = generate_tasks(3, 555), []
    evaluate(job_in(tmp_path), tasks, checkpoint, sandbox, heard.append)
    assert sorted(attempt.instance_id for attempt in heard) == sorted(
        task.instance_id for task in tasks
    )
    assert {attempt.status for attempt in heard} == {"resolved"}
    for attempt in heard:
        [task] = [task for task in tasks if task.instance_id == attempt.instance_id]
        assert read_attempt(tmp_path, Play(task)) == attempt
        assert Play(task).path(tmp_path).is_file()


def test_what_is_finished_is_not_played_again(sandbox, checkpoint, taught, tmp_path):
    tasks, heard = generate_tasks(3, 555), []
    evaluate(job_in(tmp_path), tasks, checkpoint, sandbox, heard.append)
    attempt_path(tmp_path, Play(tasks[1])).unlink()
    heard.clear()
    evaluate(job_in(tmp_path), tasks, checkpoint, sandbox, heard.append)
    assert [attempt.instance_id for attempt in heard] == [tasks[1].instance_id]


def test_a_chat_that_outgrows_the_context_ends_its_run(sandbox, checkpoint, tmp_path):
    [task] = generate_tasks(1, 555)
    heard = []
    room = job_in(tmp_path, max_new_tokens=checkpoint.context - 20)
    evaluate(room, [task], checkpoint, sandbox, heard.append)
    assert heard[0].status == "empty_patch"
    run = read_run(tmp_path / f"{task.instance_id}.traj.json")
    assert run.exit_status == "ContextLimit"


@pytest.mark.parametrize("text", ["echo \x00", "echo '<|im_end|>'", "\x1b[2J", "é" * 99])
def test_odd_answers_are_a_run_like_any_other(sandbox, checkpoint, tmp_path, monkeypatch, text):
    said = [turn("Odd.", text), turn("Done.", SUBMIT)]
    monkeypatch.setattr(
        batcher.SharedModel,
        "reply",
        lambda self, messages: (said[min(1, (len(messages) - 2) // 2)], {}),
    )
    [task] = generate_tasks(1, 555)
    heard = []
    evaluate(job_in(tmp_path), [task], checkpoint, sandbox, heard.append)
    assert heard[0].status == "empty_patch"


class Broken:
    """A sandbox that fails the first `times` commands."""

    name = "broken"

    def __init__(self, sandbox, times):
        self.sandbox, self.times = sandbox, times

    def entered(self, workdir, limits=None):
        return nullcontext(self)

    def run(self, command, **settings):
        self.times -= 1
        if self.times >= 0:
            raise SandboxError("no namespaces left")
        return self.sandbox.run(command, **settings)


def test_an_infrastructure_failure_is_tried_again(sandbox, checkpoint, taught, tmp_path):
    heard = []
    broken = Broken(sandbox, times=1)
    evaluate(job_in(tmp_path), generate_tasks(1, 555), checkpoint, broken, heard.append)
    assert [attempt.status for attempt in heard] == ["resolved"]


def test_a_lasting_infrastructure_failure_is_no_score(sandbox, checkpoint, taught, tmp_path):
    heard = []
    broken = Broken(sandbox, times=10**6)
    evaluate(job_in(tmp_path), generate_tasks(1, 555), checkpoint, broken, heard.append)
    assert [attempt.status for attempt in heard] == ["infra_error"]
    assert "no namespaces left" in heard[0].reason
