"""An arm's `evaluation:` names rows and a server: they are played and graded as batches are."""

import json
from pathlib import Path

import orjson
import pytest

from srft_assets.agent.protocol import SUBMIT, turn
from srft_assets.lab.tasks import generate_tasks
from srft_assets.outcomes.task import TaskInstance
from srft_assets.rollouts.stage import EVAL_SCORES, eval_scores_stage
from srft_assets.tokens.arm import ArmSpec, EvaluationSpec
from tests.rollouts.chat_server import Said, serving

TASKS = generate_tasks(3, 7)


def fix_of(task: TaskInstance) -> str:
    """A command that makes the reference patch."""
    return f"git apply - <<'EOF'\n{task.patch}\nEOF"


class Agent(Said):
    """Says of some tasks what mends them, of the others nothing that does."""

    mends: frozenset[str] = frozenset()

    def answer(self, body):
        text = json.dumps(body["messages"])
        turns = sum(message["role"] == "assistant" for message in body["messages"])
        known = [t for t in TASKS if json.dumps(t.problem_statement)[1:-1] in text]
        [task] = known
        mend = fix_of(task) if task.instance_id in self.mends else "echo 1 > new.txt"
        self.replies = [turn("Edit.", mend), turn("Done.", SUBMIT)][: turns + 1]
        return super().answer(body)


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """Three generated tasks as rows of a file."""
    path = tmp_path / "rows.jsonl"
    lines = [orjson.dumps(task.model_dump(mode="json", by_alias=True)) for task in TASKS]
    path.write_bytes(b"\n".join(lines))
    return path


@pytest.fixture
def answering(monkeypatch):
    """A server whose model mends the first task."""
    monkeypatch.setattr("tests.rollouts.chat_server.Said", Agent)
    monkeypatch.setenv("MSWEA_MODEL_RETRY_STOP_AFTER_ATTEMPT", "1")
    with serving([], names=["mine/0"]) as server:
        server.mends = frozenset({TASKS[0].instance_id})
        yield server


def arm_on(rows: Path, server: Said, **settings) -> ArmSpec:
    stated = {
        "tasks": str(rows),
        "environment": "sandbox",
        "serve": {"base_url": server.base_url},
        "agent": {"prompts": "short", "workers": 2},
        "temperature": 0,
        **settings,
    }
    return ArmSpec(name="mine", evaluation=EvaluationSpec.model_validate(stated))


def test_rows_are_played_by_a_server_and_graded(sandbox, evaluation_of, rows, answering):
    stage = eval_scores_stage(arm_on(rows, answering))
    work = evaluation_of(stage)
    made = stage.make(work)
    assert made.frame.schema == EVAL_SCORES
    assert made.frame["instance_id"].to_list() == [task.instance_id for task in TASKS]
    assert made.frame["resolved"].to_list() == [True, False, False]
    assert {body["model"] for body in answering.asked} == {"mine/0"}
    kept = work.warehouse.read("eval_trajectories/mine", "0")
    assert kept["trajectory_id"].to_list() == made.frame["trajectory_id"].to_list()
    assert work.warehouse.partitions("trajectories") == []


def test_made_again_nothing_is_played_or_graded_twice(
    sandbox, evaluation_of, rows, answering, monkeypatch
):
    stage = eval_scores_stage(arm_on(rows, answering))
    first = stage.make(evaluation_of(stage))
    asked = len(answering.asked)
    monkeypatch.setattr("srft_assets.rollouts.scoring.grade_runs", None)
    again = stage.make(evaluation_of(stage))
    assert len(answering.asked) == asked
    assert again.frame.equals(first.frame)
