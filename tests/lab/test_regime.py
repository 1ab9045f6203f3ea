"""The regime: fixed, and of the kind that the question needs."""

from collections import Counter

import pytest
from pydantic import ValidationError

from srft_assets.agent.protocol import SUBMIT
from srft_assets.experiment import REGIME
from srft_assets.lab.tasks import generate_tasks
from srft_assets.lab.teacher import Teacher
from srft_assets.outcomes.task import TaskInstance
from tests.lab.test_teacher import commands, resolved
from tools.base_model.chats import rehearse_run
from tools.base_model.model import BaseSettings


@pytest.fixture(scope="module")
def runs() -> list[tuple[TaskInstance, list]]:
    tasks = generate_tasks(REGIME.runs, REGIME.train_task_seed, REGIME.tasks)
    return [
        (task, rehearse_run(task, _teacher(task), step_limit=REGIME.step_limit)) for task in tasks
    ]


def _teacher(task: TaskInstance) -> Teacher:
    return Teacher(REGIME.teacher_seed, task.instance_id, REGIME.rates)


def _bugs(task: TaskInstance) -> int:
    return len(task.fail_to_pass) // 2


def _last_label(task: TaskInstance, run: list) -> str:
    return _teacher(task).reply(run[:-1])[1]["teacher"]["label"]


def test_it_cannot_be_changed_in_passing() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        REGIME.held_out_seed = 1


def test_no_two_kinds_of_tasks_share_a_seed() -> None:
    base = BaseSettings().task_seed
    seeds = [REGIME.train_task_seed, REGIME.development_seed, REGIME.held_out_seed, base, base + 1]
    assert len(set(seeds)) == len(seeds)


def test_about_39_of_100_runs_are_resolved(runs: list) -> None:
    share = sum(resolved(task, run) for task, run in runs) / len(runs)
    assert 0.37 <= share <= 0.41


def test_most_runs_on_several_bugs_are_unresolved(runs: list) -> None:
    kept = Counter(_bugs(task) for task, run in runs if resolved(task, run))
    every = Counter(_bugs(task) for task, _ in runs)
    assert kept[3] + kept[4] < 0.2 * (every[3] + every[4])
    assert kept[1] > 0.5 * every[1]


def test_unresolved_runs_end_in_four_ways(runs: list) -> None:
    """Some by a submission that is no mistake, else masked runs never show how a run ends."""
    ends: Counter[str] = Counter()
    for task, run in runs:
        if resolved(task, run):
            continue
        *_, before, last = commands(run)
        if last != SUBMIT:
            ends["limit"] += 1
        elif _last_label(task, run) == "good":
            ends["hidden tests"] += 1
        else:
            ends["untested" if before.startswith("sed") else "gave up or untested"] += 1
    assert len(ends) == 4
    assert min(ends.values()) >= 10, ends
