"""Several attempts at each task: a run, an outcome and a stream of samples for each."""

import threading

import pytest

from srft_assets.agent.play import Play, plays_of
from srft_assets.errors import SrftError
from srft_assets.lab.tasks import generate_tasks
from srft_assets.rollouts import batcher
from srft_assets.rollouts.evaluation import (
    EvaluationJob,
    attempt_path,
    evaluate,
    read_attempt,
    read_run,
)
from srft_assets.sandbox import SandboxError


def job_in(folder, **settings) -> EvaluationJob:
    return EvaluationJob(
        label="rft/0",
        checkpoint=folder,
        tasks=folder / "tasks.jsonl",
        out=folder,
        **{"step_limit": 3, "max_new_tokens": 12, **settings},
    )


def said(folder, task, attempt) -> list[str]:
    run = read_run(Play(task, attempt).path(folder), attempt)
    return [message["content"] for message in run.messages]


@pytest.fixture
def tasks():
    return generate_tasks(2, 555)


def test_each_attempt_leaves_a_run_and_an_outcome(sandbox, checkpoint, tasks, tmp_path):
    heard = []
    job = job_in(tmp_path, attempts=3, lanes=4)
    evaluate(job, tasks, checkpoint, sandbox, heard.append)
    plays = plays_of(tasks, 3)
    wanted = {(play.task.instance_id, play.attempt) for play in plays}
    assert len(wanted) == 6
    assert {(one.instance_id, one.attempt) for one in heard} == wanted
    assert all(read_attempt(tmp_path, play) is not None for play in plays)
    first = tasks[0].instance_id
    assert Play(tasks[0]).path(tmp_path) == tmp_path / f"{first}.traj.json"
    assert Play(tasks[0], 2).path(tmp_path) == tmp_path / "attempt-2" / f"{first}.traj.json"
    assert attempt_path(tmp_path, plays[0]) == tmp_path / f"{first}.outcome.json"


def test_greedy_attempts_say_the_same_and_are_different_runs(sandbox, checkpoint, tasks, tmp_path):
    heard = []
    evaluate(job_in(tmp_path, attempts=2), tasks, checkpoint, sandbox, heard.append)
    assert all(said(tmp_path, task, 0) == said(tmp_path, task, 1) for task in tasks)
    assert len({one.trajectory_id for one in heard}) == 4


def test_attempts_are_sampled_apart_and_come_again_with_the_same_seed(
    sandbox, checkpoint, tasks, tmp_path, monkeypatch
):
    heard: dict[str, list[str]] = {}
    reply = batcher.SharedModel.reply

    def listening(self, messages):
        text, extra = reply(self, messages)
        heard.setdefault(self._player, []).append(text)
        return text, extra

    monkeypatch.setattr(batcher.SharedModel, "reply", listening)

    def played(name, seed):
        heard.clear()
        job = job_in(tmp_path / name, attempts=2, temperature=1.0, seed=seed)
        evaluate(job, tasks, checkpoint, sandbox, lambda _: None)
        return dict(heard)

    once = played("once", seed=1)
    for task in tasks:
        assert once[task.instance_id] != once[f"{task.instance_id}#1"]
    assert played("again", seed=1) == once
    assert played("other", seed=2) != once


def test_one_attempt_more_plays_only_that(sandbox, checkpoint, tasks, tmp_path):
    heard = []
    evaluate(job_in(tmp_path), tasks, checkpoint, sandbox, heard.append)
    before = Play(tasks[0]).path(tmp_path).read_bytes()
    heard.clear()
    evaluate(job_in(tmp_path, attempts=2), tasks, checkpoint, sandbox, heard.append)
    assert {one.attempt for one in heard} == {1}
    assert len(heard) == 2
    assert Play(tasks[0]).path(tmp_path).read_bytes() == before


class Unready:
    """A sandbox that does not start the first `times` times."""

    name = "unready"

    def __init__(self, sandbox, times):
        self._sandbox, self._times, self._lock = sandbox, times, threading.Lock()

    def run(self, command, **bounds):
        return self._sandbox.run(command, **bounds)

    def entered(self, workdir, limits=None):
        with self._lock:
            self._times -= 1
            if self._times >= 0:
                raise SandboxError("no room")
        return self._sandbox.entered(workdir, limits)


def test_a_sandbox_that_does_not_start_is_tried_again(sandbox, checkpoint, tasks, tmp_path):
    heard = []
    evaluate(job_in(tmp_path), tasks, checkpoint, Unready(sandbox, 1), heard.append)
    assert len(heard) == 2 and not {"infra_error"} & {one.status for one in heard}


def test_one_that_never_starts_is_told_at_the_end(sandbox, checkpoint, tasks, tmp_path):
    with pytest.raises(SrftError, match=r"2 attempts did not begin, .*no room; start again"):
        evaluate(job_in(tmp_path), tasks, checkpoint, Unready(sandbox, 99), lambda _: None)
    assert read_attempt(tmp_path, Play(tasks[0])) is None
