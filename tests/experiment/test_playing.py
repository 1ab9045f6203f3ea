"""Runs side by side are those that mini-swe-agent plays alone in the sandbox."""

import json
from dataclasses import dataclass, field

import pytest

from srft_assets.agent import prompts
from srft_assets.agent.play import play
from srft_assets.agent.text_model import TextModel
from srft_assets.experiment.playing import Game, play_tasks
from srft_assets.experiment.repository import Repository
from srft_assets.lab.repository import CHECK
from srft_assets.lab.tasks import generate_tasks
from srft_assets.lab.teacher import Teacher
from srft_assets.outcomes.local import grade_patch
from srft_assets.rollouts.generator import Answer
from srft_assets.rollouts.model import CONTEXT_LIMIT
from srft_assets.sandbox import SandboxError

TASKS = generate_tasks(5, 8_002)
STEPS = 7


def turns(task, kind):
    """What a model says, one text a turn."""
    module = next(name[5:] for name in task.files if name.startswith("test_"))
    good = [prompts.turn("Read.", f"cat {module}"), prompts.turn("Test.", CHECK)]
    done = prompts.turn("Done.", prompts.SUBMIT)
    two = prompts.turn("a", "ls") + prompts.turn("b", "ls")
    return {
        "submits": [*good, done],
        "never ends": good * STEPS,
        "no format": ["no block at all", two, "``` nothing"],
        "recovers from the format": ["nothing", good[0], "nothing", "nothing", good[1], done],
        "strays": [prompts.turn("x", "echo 'x = 1' >> check.py"), *good, done],
        "prints much": [prompts.turn("x", "seq 1 9000"), done],
        "fails": [prompts.turn("x", "exit 7"), prompts.turn("x", "cat nothing.py"), done],
        "blank": [prompts.turn("", ""), done],
    }[kind]


class Scripted(TextModel):
    def __init__(self, texts):
        super().__init__("scripted")
        self.texts = iter(texts)

    def reply(self, messages):
        return next(self.texts), {}


@dataclass
class Script:
    """A generator that says what each chat's script says next."""

    texts: dict
    checkpoint: object
    max_new_tokens: int = 64
    forgotten: list = field(default_factory=list)

    def answer(self, asked):
        return [Answer(next(self.texts[one.name]), (), True) for one in asked]

    def forget(self, name):
        self.forgotten.append(name)


KINDS = [
    "submits",
    "never ends",
    "no format",
    "recovers from the format",
    "strays",
    "prints much",
    "fails",
    "blank",
]


@pytest.mark.parametrize("kind", KINDS)
def test_a_chat_is_the_one_that_mini_swe_agent_records(kind, sandbox, tmp_path):
    task = TASKS[0]
    texts = turns(task, kind)
    path = play(task, Scripted(texts), sandbox, out=tmp_path, step_limit=STEPS)
    recorded = json.loads(path.read_text())
    game = Game(Repository(task, sandbox), STEPS)
    script = iter(texts)
    while game.begin_turn([], 1):
        game.take(Answer(next(script), (), True))
        if game.ended:
            break
    game.repository.close()
    chat = [(m["role"], m["content"]) for m in recorded["messages"] if m["role"] != "exit"]
    ours = [(m["role"], m["content"]) for m in game.messages]
    if game.ended == "Submitted":
        assert game.repository.submission == recorded["info"]["submission"]
    assert game.ended == recorded["info"]["exit_status"]
    assert game.steps == recorded["info"]["model_stats"]["api_calls"]
    assert ours == chat


def test_the_teachers_runs_are_graded_as_the_grader_grades_them(sandbox, checkpoint, tmp_path):
    statuses, texts = {}, {}
    for task in TASKS:
        teacher = Teacher(3, task.instance_id)
        path = play(task, teacher, sandbox, out=tmp_path, step_limit=16)
        run = json.loads(path.read_text())
        said = [m["content"] for m in run["messages"] if m["role"] == "assistant"]
        texts[task.instance_id] = iter(said)
        patch = run["info"]["submission"]
        statuses[task.instance_id] = grade_patch(task, patch, sandbox, trajectory_id="x").status
    voice = Script(texts, checkpoint)
    scores = play_tasks(TASKS, voice, sandbox, 16)
    assert {one.instance_id: one.status for one in scores} == statuses
    assert len(set(statuses.values())) > 1
    assert sorted(voice.forgotten) == sorted(statuses)
    assert all(one.in_memory for one in scores)


def test_a_chat_that_outgrows_the_context_ends(sandbox):
    game = Game(Repository(TASKS[0], sandbox), STEPS)
    assert not game.begin_turn([1] * 9, room=8)
    assert (game.ended, game.steps) == (CONTEXT_LIMIT, 0)


def test_a_sandbox_that_fails_is_no_score_of_the_model(checkpoint):
    class Broken:
        name = "broken"

        def run(self, *_, **__):
            raise SandboxError("no more processes")

    name = TASKS[0].instance_id
    script = Script({name: iter([prompts.turn("x", "git status")])}, checkpoint)
    [score] = play_tasks(TASKS[:1], script, Broken(), STEPS)
    assert (score.status, score.resolved) == ("infra_error", None)
