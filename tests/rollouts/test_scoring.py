"""An arm's `evaluation:` names rows and a server: they are played and graded as batches are."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest

from srft_assets.agent.protocol import SUBMIT, turn
from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.lab.tasks import generate_tasks
from srft_assets.outcomes.task import TaskInstance
from srft_assets.rollouts import player
from srft_assets.rollouts.preflight import NoServerError
from srft_assets.rollouts.settings import EndpointModel
from srft_assets.rollouts.stage import EVAL_SCORES, VERSION, eval_scores_stage
from srft_assets.rollouts.task_set import contaminated, task_set, trained_on
from srft_assets.sandbox import SandboxError
from srft_assets.tokens.arm import ArmSpec, EvaluationSpec
from srft_assets.tokens.token_labels import MASKED_TOKENS
from srft_assets.training.checkpoint import CHECKPOINTS
from srft_assets.warehouse.making import recipe_of
from srft_assets.warehouse.partitions import Warehouse
from srft_assets.warehouse.recipe import Recipe
from srft_assets.warehouse.stage import Made
from tests.rollouts import chat_server
from tests.rollouts.chat_server import Said, serving
from tests.rollouts.conftest import in_this_process, work_of
from tests.rollouts.test_platform import srft
from tests.warehouse.filled import put

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


@pytest.fixture
def scores(sandbox, evaluation_of) -> Callable[..., Made]:
    """Make the scores of an arm, playing in this process."""

    def make(arm: ArmSpec) -> Made:
        stage = eval_scores_stage(arm)
        return stage.make(replace(evaluation_of(stage), launch=in_this_process))

    return make


def test_rows_are_played_by_a_server_and_graded(home, scores, rows, answering):
    made = scores(arm_on(rows, answering))
    assert made.frame.schema == EVAL_SCORES
    assert made.frame["instance_id"].to_list() == [task.instance_id for task in TASKS]
    assert made.frame["resolved"].to_list() == [True, False, False]
    assert {body["model"] for body in answering.asked} == {"mine/0"}
    warehouse = Warehouse(home.warehouse)
    kept = warehouse.read("eval_trajectories/mine", "0")
    assert kept["trajectory_id"].to_list() == made.frame["trajectory_id"].to_list()
    assert warehouse.partitions("trajectories") == []


def test_made_again_nothing_is_played_or_graded_twice(scores, rows, answering, monkeypatch):
    first = scores(arm_on(rows, answering))
    asked = len(answering.asked)
    monkeypatch.setattr("srft_assets.rollouts.scoring.grade_runs", None)
    assert scores(arm_on(rows, answering)).frame.equals(first.frame)
    assert len(answering.asked) == asked


def test_more_attempts_play_only_those(scores, rows, answering):
    scores(arm_on(rows, answering, temperature=0.5))
    asked = len(answering.asked)
    made = scores(arm_on(rows, answering, temperature=0.5, attempts=2))
    assert len(answering.asked) == 2 * asked
    assert made.frame["attempt"].to_list() == [0, 1] * 3


def test_more_rows_play_and_grade_only_those(scores, rows, answering, monkeypatch):
    first = scores(arm_on(rows, answering, first=2)).frame
    asked = len(answering.asked)
    made = scores(arm_on(rows, answering)).frame
    assert made.head(2).equals(first)
    assert len(answering.asked) == asked + 2
    monkeypatch.setattr("srft_assets.rollouts.scoring.grade_runs", None)
    assert scores(arm_on(rows, answering, where="false or true")).frame.equals(made)


def test_a_server_that_moved_or_calls_the_checkpoint_otherwise_is_asked_nothing_again(
    scores, rows, answering
):
    first = scores(arm_on(rows, answering, first=2)).frame
    asked, answering.names = len(answering.asked), ["renamed"]
    elsewhere = answering.base_url.replace("127.0.0.1", "localhost")
    served = {"base_url": elsewhere, "name": "renamed"}
    made = scores(arm_on(rows, answering, serve=served)).frame
    assert made.head(2).equals(first)
    assert [body["model"] for body in answering.asked[asked:]] == ["renamed"] * 2


def test_runs_that_lie_under_the_name_of_the_server_are_found(
    home, scores, rows, answering, monkeypatch
):
    with monkeypatch.context() as before:
        before.setattr(EndpointModel, "deciding", EndpointModel.named)
        first = scores(arm_on(rows, answering)).frame
    asked = len(answering.asked)
    assert scores(arm_on(rows, answering)).frame.equals(first)
    assert len(answering.asked) == asked
    assert len(list(home.runs.glob("eval/mine/0/*/*/"))) == 2


def test_a_row_that_changed_is_played_anew(scores, rows, answering):
    scores(arm_on(rows, answering, first=2))
    asked = len(answering.asked)
    changed = TASKS[1].model_copy(update={"base_commit": "0" * 40})
    lines = [task.model_dump_json(by_alias=True) for task in (TASKS[0], changed, TASKS[2])]
    rows.write_text("\n".join(lines))
    scores(arm_on(rows, answering, first=2))
    assert len(answering.asked) == asked + 2


def test_another_grader_grades_the_same_runs(scores, rows, answering):
    made = scores(arm_on(rows, answering, grader="none"))
    assert made.frame["status"].to_list() == ["unknown"] * 3
    assert made.frame["resolved"].to_list() == [None] * 3
    asked = len(answering.asked)
    made = scores(arm_on(rows, answering, grader="local"))
    assert made.frame["resolved"].to_list() == [True, False, False]
    assert len(answering.asked) == asked


def test_a_run_that_a_server_ended_is_played_once_more(scores, rows, answering):
    answering.refuse = {json.dumps(TASKS[1].problem_statement)[1:-1]: 400}
    answering.heard = lambda: len(answering.asked) > 5 and answering.refuse.clear()
    made = scores(arm_on(rows, answering, agent={"prompts": "short", "workers": 1}))
    assert made.frame["status"].to_list() == ["resolved", "unresolved", "unresolved"]
    assert len(answering.asked) == 7, "two turns of each task, and the call that was refused"


def test_what_the_machine_failed_at_twice_is_no_score_until_it_is_asked_for_again(
    scores, rows, answering
):
    answering.refuse = {json.dumps(TASKS[1].problem_statement)[1:-1]: 400}
    made = scores(arm_on(rows, answering))
    assert made.frame["status"].to_list() == ["resolved", "infra_error", "unresolved"]
    assert made.frame["resolved"].to_list() == [True, None, False]
    assert made.metadata["scored"] == 2
    answering.refuse, asked = {}, len(answering.asked)
    made = scores(arm_on(rows, answering, again=1))
    assert made.frame["resolved"].to_list() == [True, False, False]
    assert len(answering.asked) == asked + 2, "two turns of the one task"


def without_place(monkeypatch: pytest.MonkeyPatch, task: TaskInstance) -> None:
    """The machine has none to play this task in."""
    real = player.scene_of

    def scene(play, **settings):
        if play.task.instance_id == task.instance_id:
            raise SandboxError("no container of it")
        return real(play, **settings)

    monkeypatch.setattr(player, "scene_of", scene)


def test_an_attempt_that_cannot_begin_is_refused_by_name_and_the_others_count(
    scores, rows, answering, monkeypatch
):
    real = player.scene_of
    without_place(monkeypatch, TASKS[1])
    made = scores(arm_on(rows, answering))
    assert made.frame["resolved"].to_list() == [True, False]
    assert [one.subject for one in made.refused] == [f"{TASKS[1].instance_id}#0"]
    monkeypatch.setattr(player, "scene_of", real)
    made = scores(arm_on(rows, answering, again=1))
    assert (made.frame.height, list(made.refused)) == (3, [])


def test_first_attempts_that_cannot_begin_do_not_stop_those_behind_them(
    scores, rows, answering, monkeypatch
):
    without_place(monkeypatch, TASKS[0])
    monkeypatch.setattr(player, "MANY", 1)
    made = scores(arm_on(rows, answering, agent={"prompts": "short", "workers": 1}))
    assert made.frame["instance_id"].to_list() == [task.instance_id for task in TASKS[1:]]


def test_a_server_that_dies_on_the_way_fails_in_one_line_and_the_rest_goes_on(
    scores, rows, answering, monkeypatch
):
    def gone(*_: object) -> None:
        raise NoServerError("the server: nobody answers at http://x/v1/models (refused)")

    answering.refuse = {json.dumps(task.problem_statement)[1:-1]: 500 for task in TASKS[1:]}
    monkeypatch.setattr(player, "listed", gone)
    monkeypatch.setattr(player, "MANY", 2)
    arm = arm_on(rows, answering, agent={"prompts": "short", "workers": 1})
    with pytest.raises(SrftError, match=r"nobody answers .*; what came to its end stays"):
        scores(arm)
    answering.refuse, asked = {}, len(answering.asked)
    made = scores(arm)
    assert made.frame["resolved"].to_list() == [True, False, False]
    assert len(answering.asked) == asked + 4, "the first task is not played again"


def test_killed_in_the_middle_nothing_is_played_or_graded_twice(
    home, scores, rows, answering, evaluation_of
):
    arm = arm_on(rows, answering, agent={"prompts": "short", "workers": 1}, grading={"workers": 1})
    stage = eval_scores_stage(arm)
    evaluation_of(stage)  # puts the checkpoint
    code = (
        "import sys; from pathlib import Path; from dataclasses import replace;"
        "from srft_assets.home import Home;"
        "from srft_assets.rollouts.stage import eval_scores_stage;"
        "from srft_assets.tokens.arm import ArmSpec;"
        "from srft_assets.warehouse.making import recipe_of;"
        "from tests.rollouts.conftest import work_of;"
        "work = work_of(Home(Path(sys.argv[1])), '0');"
        "stage = eval_scores_stage(ArmSpec.model_validate_json(sys.argv[2]));"
        "recipe = recipe_of(stage, work.home, work.warehouse, '0');"
        "stage.make(replace(work, recipe=recipe))"
    )
    stated = arm.model_dump_json(exclude_unset=True)
    for pattern in ("*.traj.json", "*.outcome.json"):
        argv = [sys.executable, "-c", code, str(home.root), stated]
        process = subprocess.Popen(argv, start_new_session=True)
        while process.poll() is None and not list(home.runs.glob(f"eval/mine/0/*/*/{pattern}")):
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    left = {path: path.stat().st_mtime_ns for path in home.runs.glob("eval/mine/0/*/*/*.json")}
    assert left
    made = scores(arm)
    assert made.frame["resolved"].to_list() == [True, False, False]
    assert all(path.stat().st_mtime_ns == time for path, time in left.items())


def test_what_decides_scores_is_the_rows_the_agent_and_the_grader(
    home, evaluation_of, rows, answering, tmp_path
):
    def recipe(path: Path = rows, **settings) -> Recipe:
        return evaluation_of(eval_scores_stage(arm_on(path, answering, **settings))).recipe

    before = recipe()
    elsewhere = tmp_path / "copy.jsonl"
    elsewhere.write_bytes(rows.read_bytes())
    assert recipe(elsewhere) == before
    assert recipe(agent={"prompts": "short", "workers": 9}) == before
    assert recipe(serve={"base_url": "http://elsewhere/v1"}) == before
    others: list[dict[str, Any]] = [
        {"first": 2},
        {"agent": {"prompts": "plain"}},
        {"grader": "none"},
        {"step_limit": 9},
        {"temperature": 0.2},
    ]
    assert all(recipe(**one) != before for one in others)
    assert recipe(agent={}) != recipe(agent={}, serve=None), "their prompts differ"
    first, *rest = rows.read_text().splitlines()
    other = json.dumps({**json.loads(first), "problem_statement": "Mend it."})
    elsewhere.write_text("\n".join([other, *rest]))
    assert recipe(elsewhere) != before


def test_an_arm_that_states_nothing_of_it_is_scored_as_ever(evaluation_of):
    stage = eval_scores_stage(ArmSpec(name="mine"))
    assert stage.config == {
        "tasks": 40,
        "task_seed": 90_001,
        "step_limit": 16,
        "max_new_tokens": 64,
        "temperature": 0.7,
        "attempts": 1,
    }
    assert (stage.code, stage.config_of) == ({"version": VERSION}, None)
    lab = ArmSpec(name="mine", evaluation=EvaluationSpec.model_validate({"tasks": "lab"}))
    assert eval_scores_stage(lab).config == stage.config


def test_generated_tasks_may_be_played_by_a_server(scores, answering, monkeypatch):
    monkeypatch.setitem(globals(), "TASKS", generate_tasks(2, 11))
    answering.mends = frozenset({TASKS[1].instance_id})
    served = {"tasks": 2, "task_seed": 11, "serve": {"base_url": answering.base_url}}
    made = scores(ArmSpec(name="mine", evaluation=EvaluationSpec.model_validate(served)))
    assert made.frame["resolved"].to_list() == [False, True]


def trained(home: Home, names: Iterable[str]) -> None:
    """Let the checkpoint come from runs of these tasks."""
    blank = {**dict.fromkeys(MASKED_TOKENS), "n_trained": 5}
    frame = pl.DataFrame([{**blank, "instance_id": n} for n in names], schema=MASKED_TOKENS)
    warehouse = Warehouse(home.warehouse)
    put(warehouse, "masked_tokens/mine", "a", frame)
    recipe = Recipe(inputs={"masked_tokens/mine/a": "v1"})
    row = dict.fromkeys(CHECKPOINTS) | {"path": str(home.root)}
    checkpoint = pl.DataFrame([row], schema=CHECKPOINTS)
    put(warehouse, "checkpoints/mine", "0", checkpoint, recipe=recipe)


def test_a_task_of_a_commit_that_was_trained_on_is_marked(home, rows, answering):
    known = [{**json.loads(line), "base_commit": "c"} for line in rows.read_text().splitlines()]
    known[0]["repo"] = known[1]["repo"]
    rows.write_text("\n".join(map(json.dumps, known)))
    trained(home, [known[0]["instance_id"]])
    arm, work = arm_on(rows, answering), work_of(home, "0")
    tasks = task_set(arm.evaluation, home)
    told = trained_on("mine", "0", work.warehouse)
    assert contaminated(arm, tasks, told, work) == {one["instance_id"] for one in known[:2]}


def test_a_task_set_that_was_trained_on_whole_is_refused_before_anything_is_played(
    home, rows, answering
):
    trained(home, [task.instance_id for task in TASKS])
    stage, work = eval_scores_stage(arm_on(rows, answering)), work_of(home, "0")
    work = replace(work, recipe=recipe_of(stage, home, work.warehouse, "0"))
    with pytest.raises(SrftError, match=r"arm mine: all 3 tasks of .* choose others") as told:
        stage.make(work)
    assert "\n" not in str(told.value)
    assert answering.asked == []


def test_arms_are_compared_on_the_rows_they_share(home, rows, answering, scores):
    for name, first in (("mine", 3), ("yours", 2)):
        arm = arm_on(rows, answering, first=first).model_copy(update={"name": name})
        answering.mends = frozenset(task.instance_id for task in TASKS[: 4 - first])
        answering.names = [f"{name}/0"]
        put(Warehouse(home.warehouse), f"eval_scores/{name}", "0", scores(arm).frame)
    told = json.loads(srft(home, "compare", "mine", "yours", "--format", "json").stdout)
    assert {row["arm"]: (row["resolved"], row["scored"]) for row in told["arms"]} == {
        "mine": (1, 3),
        "yours": (2, 2),
    }
    [pair] = told["pairs"]
    assert (pair["tasks"], pair["only_arm"], pair["only_against"]) == (2, 0, 1)
    assert "mine has 3 tasks, yours 2: the 2 in common are paired." in told["notes"]


def test_a_vllm_is_started_for_the_checkpoint_as_the_arm_says(scores, rows, tmp_path, monkeypatch):
    """By a program that takes vLLM's arguments and says what it is told."""
    family = tmp_path / "family"
    family.mkdir()
    replies = [turn("Edit.", fix_of(TASKS[0])), turn("Done.", SUBMIT)]
    monkeypatch.setenv("FAMILY", str(family))
    monkeypatch.setenv("REPLIES", json.dumps(replies))
    monkeypatch.setenv("SRFT_VLLM_COMMAND", f"{sys.executable} {chat_server.__file__}")
    serve = {"tensor_parallel_size": 2, "quantization": "fp8", "max_model_len": 512}
    stated = {
        "tasks": str(rows),
        "first": 1,
        "environment": "sandbox",
        "temperature": 0,
        "agent": {"prompts": "short"},
        "serve": {**serve, "args": ["--enforce-eager"]},
    }
    arm = {"name": "mine", "training": {"max_length": 512}, "evaluation": stated}
    made = scores(ArmSpec.model_validate(arm))
    assert made.frame["resolved"].to_list() == [True]
    [argv] = [json.loads(path.read_text()) for path in family.iterdir()]
    told = " ".join(argv)
    assert "--served-model-name mine/0 --tensor-parallel-size 2 --max-model-len 512" in told
    assert "--quantization fp8" in told
    assert argv[-1] == "--enforce-eager"
