"""A model plays tasks: every run is kept whole, and none that is finished is played again."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from tenacity import wait_none

from srft_assets.agent.protocol import turn
from srft_assets.errors import SrftError
from srft_assets.lab.tasks import generate_tasks
from srft_assets.rollouts.player import collect
from tests.rollouts.chat_server import serving
from tests.rollouts.conftest import EDIT_AND_SUBMIT, in_a_process, work_of

ONE = {"kind": "lab", "seed": 5, "count": 1}
TASKS = [task.instance_id for task in generate_tasks(2, 5)]


def runs_in(folder):
    return {
        path.relative_to(folder).as_posix(): json.loads(path.read_bytes())
        for path in sorted(folder.rglob("*.traj.json"))
    }


def exits_in(folder):
    return {name: run["info"]["exit_status"] for name, run in runs_in(folder).items()}


def test_each_attempt_at_each_task_leaves_a_run(sandbox, work, asking):
    with serving(EDIT_AND_SUBMIT) as server:
        folder = collect(work, asking(server.base_url, attempts=2))
    places = [f"{at}{name}.traj.json" for at in ("", "attempt-1/") for name in TASKS]
    assert exits_in(folder) == dict.fromkeys(sorted(places), "Submitted")
    for run in runs_in(folder).values():
        assert run["trajectory_format"] == "mini-swe-agent-1.1"
        assert run["info"]["submission"].startswith("diff --git a/new.txt b/new.txt")
        assert run["info"]["model_stats"]["api_calls"] == 3
    assert sorted({body["seed"] for body in server.asked}) == [0, 1]
    assert {body["temperature"] for body in server.asked} == {0.0}


def test_what_is_finished_is_never_played_again(sandbox, work, asking):
    with serving(EDIT_AND_SUBMIT) as server:
        before = runs_in(collect(work, asking(server.base_url)))
        calls = len(server.asked)
        assert runs_in(collect(work, asking(server.base_url))) == before
        assert len(server.asked) == calls
        more = collect(work, asking(server.base_url, attempts=2, workers=1))
        assert len(server.asked) == 2 * calls
        assert {name: runs_in(more)[name] for name in before} == before
        fewer = collect(work, asking("http://127.0.0.1:9/v1"))
        assert runs_in(fewer) == before


def test_other_sampling_means_other_runs(sandbox, work, asking):
    with serving(EDIT_AND_SUBMIT) as server:
        first = collect(work, asking(server.base_url))
        other = collect(work, asking(server.base_url, temperature=0.5))
    assert first != other
    assert {body["temperature"] for body in server.asked} == {0.0, 0.5}


def test_a_crash_is_kept_with_its_name_and_played_again(sandbox, work, asking):
    module = generate_tasks(2, 5)[1].repo.partition("/")[2]
    with serving(EDIT_AND_SUBMIT, refuse={f"{module}.py": 400}) as server:
        folder = collect(work, asking(server.base_url))
        exits = exits_in(folder)
        assert exits[f"{TASKS[0]}.traj.json"] == "Submitted"
        assert exits[f"{TASKS[1]}.traj.json"] == "BadRequestError"
        server.refuse.clear()
        assert set(exits_in(collect(work, asking(server.base_url))).values()) == {"Submitted"}


def body(content, finish="stop", tokens=5, **choice):
    message = {"role": "assistant", "content": content}
    said = {"index": 0, "message": message, "finish_reason": finish, **choice}
    usage = {"prompt_tokens": 9, "completion_tokens": tokens, "total_tokens": 9 + tokens}
    head = {"id": "x", "object": "chat.completion", "created": 1, "model": "m"}
    return {**head, "choices": [said], "usage": usage}


NO_ANSWERS = {
    "no choice": {**body(""), "choices": []},
    "withheld": body(None, "content_filter"),
    "half withheld": body("THOUGHT: I", "content_filter"),
    "null": body(None),
    "empty, without tokens": body("", tokens=0),
    "an error in the choice": body("", "error", 0, error={"code": 502, "message": "upstream"}),
    "an error in the body": {"error": {"code": 502, "message": "upstream"}},
}


@pytest.fixture
def hasty(monkeypatch):
    """Two attempts of mini-swe-agent, without a pause."""
    monkeypatch.setenv("MSWEA_MODEL_RETRY_STOP_AFTER_ATTEMPT", "2")
    monkeypatch.setattr("minisweagent.models.utils.retry.wait_exponential", lambda **_: wait_none())


@pytest.mark.parametrize("sent", NO_ANSWERS.values(), ids=NO_ANSWERS.keys())
def test_what_is_no_answer_of_the_model_is_asked_for_again(sandbox, work, asking, hasty, sent):
    with serving(EDIT_AND_SUBMIT, first=[sent]) as server:
        [run] = runs_in(collect(work, asking(server.base_url, tasks=ONE))).values()
    assert run["info"]["exit_status"] == "Submitted"
    assert len(server.asked) == 4, "one question twice"
    assert run["info"]["model_stats"]["api_calls"] == 3


@pytest.mark.parametrize("said", [body(""), body(None, "length")], ids=["nothing", "cut"])
def test_an_empty_answer_that_took_tokens_is_the_model_s_own(sandbox, work, asking, hasty, said):
    with serving(EDIT_AND_SUBMIT, first=[said]) as server:
        [run] = runs_in(collect(work, asking(server.base_url, tasks=ONE))).values()
    assert run["info"]["exit_status"] == "Submitted"
    assert len(server.asked) == 4 and run["info"]["model_stats"]["api_calls"] == 4


def test_a_server_that_gives_no_answer_at_all_crashes_the_run(sandbox, work, asking, hasty):
    withheld = body(None, "content_filter")
    with serving(EDIT_AND_SUBMIT, first=[withheld, withheld]) as server:
        settings = asking(server.base_url, tasks=ONE)
        assert set(exits_in(collect(work, settings)).values()) == {"NoAnswerError"}
        assert set(exits_in(collect(work, settings)).values()) == {"Submitted"}


def test_a_chat_beyond_the_context_ends_the_run_in_any_words(sandbox, work, asking):
    for words in ("prompt is too long: 208310 tokens > 200000 maximum", "n_ctx exceeded: too long"):
        with serving(EDIT_AND_SUBMIT, refuse={"": 400}, error=words) as server:
            settings = asking(server.base_url, tasks=ONE, step_limit=len(words))
            assert set(exits_in(collect(work, settings)).values()) == {"ContextLimit"}
        assert len(server.asked) == 1


def test_the_wall_time_of_a_run_is_not_that_of_a_slow_server(sandbox, work, asking):
    with serving(EDIT_AND_SUBMIT, heard=lambda: time.sleep(2.1)) as server:
        waited = collect(work, asking(server.base_url, tasks=ONE, wall_seconds=4))
    assert set(exits_in(waited).values()) == {"Submitted"}
    with serving([turn("Wait.", "sleep 1.1")]) as server:
        worked = collect(work, asking(server.base_url, tasks=ONE, wall_seconds=1))
    assert set(exits_in(worked).values()) == {"TimeExceeded"}


def test_hostile_words_of_a_server_s_error_stop_no_other_run(sandbox, work, asking):
    module = generate_tasks(2, 5)[1].repo.partition("/")[2]
    work = work_of(work.home, "played", in_a_process)
    with serving(EDIT_AND_SUBMIT, refuse={f"{module}.py": 400}, error="\ud800 \x1b[2J") as server:
        exits = exits_in(collect(work, asking(server.base_url, workers=1)))
    assert sorted(exits.values()) == ["BadRequestError", "Submitted"]


def test_a_process_that_plays_the_batch_already_is_waited_for(sandbox, work, asking):
    slow = (turn("Wait.", "sleep 1"), *EDIT_AND_SUBMIT[1:])
    with serving(slow) as server:
        settings = asking(server.base_url)
        with ThreadPoolExecutor() as pool:
            works = [work_of(work.home, "played", in_a_process) for _ in range(2)]
            list(pool.map(lambda each: collect(each, settings), works))
    assert len(server.asked) == 2 * len(slow)


def test_where_every_run_crashes_the_batch_fails_with_the_reason(sandbox, work, asking):
    tasks = {"kind": "lab", "seed": 5, "count": 12}
    with serving(EDIT_AND_SUBMIT, refuse={"": 404}) as server:
        with pytest.raises(SrftError, match=r"3 runs crashed .* NotFoundError") as told:
            collect(work, asking(server.base_url, tasks=tasks))
        playing = [one for one in threading.enumerate() if one.name.startswith("play")]
    assert not playing, f"all is over before {told.value} is told"


def test_limits_end_a_run_with_their_own_status(sandbox, work, asking):
    babble = [turn("Again.", "ls")]
    with serving(babble, tokens=900) as server:
        steps = collect(work, asking(server.base_url, step_limit=3))
        context = collect(work, asking(server.base_url, context=500))
        paid = collect(
            work,
            asking(
                server.base_url,
                model={"price": {"prompt": 1.0, "answer": 2.0}},
                cost_limit=0.0015,
            ),
        )
    assert set(exits_in(steps).values()) == {"LimitsExceeded"}
    assert set(exits_in(context).values()) == {"ContextLimit"}
    assert set(exits_in(paid).values()) == {"LimitsExceeded"}
    for run in runs_in(paid).values():
        assert run["info"]["model_stats"]["api_calls"] == 2
        assert run["info"]["model_stats"]["instance_cost"] == pytest.approx(2 * 920e-6)


def test_a_cost_limit_without_a_price_is_refused_before_anything_is_paid(sandbox, work, asking):
    with serving(EDIT_AND_SUBMIT) as server:
        settings = asking(server.base_url, model={"name": "unknown-model"}, cost_limit=1.0)
        with pytest.raises(SrftError, match="no price of openai/unknown-model"):
            collect(work, settings)
        assert server.asked == []


def test_a_killed_batch_leaves_whole_files_and_goes_on(sandbox, work, asking, tmp_path):
    slow = (turn("Wait.", "sleep 0.3"), *EDIT_AND_SUBMIT[1:])
    with serving(slow) as server:
        tasks = {"kind": "lab", "seed": 5, "count": 6}
        settings = asking(server.base_url, tasks=tasks)
        code = (
            "import sys, json; from pathlib import Path; from srft_assets.home import Home;"
            "from tests.rollouts.conftest import work_of;"
            "from srft_assets.rollouts.player import collect;"
            "collect(work_of(Home(Path(sys.argv[1])), 'played'), json.loads(sys.argv[2]))"
        )
        argv = [sys.executable, "-c", code, str(work.home.root), json.dumps(settings)]
        process = subprocess.Popen(argv, start_new_session=True)
        while process.poll() is None and not list(work.home.runs.glob("played/*/*.traj.json")):
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        left = {
            path: path.read_bytes()
            for path in work.home.runs.glob("played/*/*.traj.json")
            if not path.name.startswith(".")
        }
        assert left
        assert all(json.loads(content)["info"]["exit_status"] for content in left.values())
        folder = collect(work, settings)
    assert len(runs_in(folder)) == 6
    assert all(path.read_bytes() == content for path, content in left.items())
