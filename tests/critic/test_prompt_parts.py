"""Which requests a run becomes: every step asked about once, within the context."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srft_assets.critic.answer.bad import BadAnswer
from srft_assets.critic.answer.parse import again
from srft_assets.critic.call import Reply
from srft_assets.critic.prompt.count import counter
from srft_assets.critic.prompt.parts import Asked, Seen, TooLongError, requests_for
from srft_assets.critic.prompt.template import Prompt, load_prompt
from srft_assets.errors import SrftError
from tests.critic.prompt_runs import (
    CRITICS,
    PROMPT,
    fence_of,
    read_steps,
    real_run,
    run,
    spec,
    step,
    user_text,
)

UNRESOLVED = Seen(outcome="unresolved")


def common_prefix(one: str, other: str) -> str:
    length = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), None)
    return one[:length]


def ask(trajectory, **settings) -> Asked:
    return requests_for(spec(**settings), PROMPT, trajectory, UNRESOLVED)


def shown(request) -> list[tuple[int, bool]]:
    text = user_text(request)
    return [(step.index, step.context) for step in read_steps(text, fence_of(text))]


@pytest.fixture(scope="module")
def runs(shared):
    paths = sorted((shared / "trajectories/mini-swe-agent-v1/trajs").glob("*.json"))
    return [real_run(path) for path in paths[:12]]


def test_whole_asks_once_about_every_step_of_a_real_run(runs):
    for real in runs:
        (request,) = ask(real).requests
        assert request.steps == range(len(real.steps))
        assert shown(request) == [(step.step_index, False) for step in real.steps]
        assert request.about == real.trajectory_id


def test_the_body_holds_model_sampling_and_schema():
    settings = {
        "sampling": {"temperature": 0.5, "seed": 7, "options": {"top_k": 20}},
        "answer_format": "structured_outputs",
    }
    (request,) = ask(run(step(), step()), **settings).requests
    body = request.body
    assert {key: body[key] for key in body if key not in ("messages", "structured_outputs")} == {
        "model": "m",
        "temperature": 0.5,
        "top_p": 1.0,
        "seed": 7,
        "max_tokens": 64 + 2 * 80,
        "top_k": 20,
    }
    assert body["structured_outputs"]["json"]["required"] == ["0", "1"]
    assert len(request.key) == 64


def test_no_seed_is_sent_where_none_is_set():
    (request,) = ask(run(step()), sampling={"seed": None}).requests
    assert "seed" not in request.body


@pytest.mark.parametrize("key", ["model", "messages", "stream", "response_format"])
def test_options_cannot_take_what_srft_sets(key):
    with pytest.raises(SrftError, match=f"sampling.options must not hold {key}"):
        ask(run(step()), sampling={"options": {key: 1}})


def test_a_run_without_steps_asks_nothing():
    assert ask(run()) == Asked((), (), 0)


def test_the_task_is_what_the_user_said_before_the_first_turn():
    trajectory = run(step())
    trajectory.messages = [
        {"role": "system", "content": "You are an agent."},
        {"role": "user", "content": "A worked example.", "is_demo": True},
        {"role": "assistant", "content": "Done so.", "is_demo": True},
        {"role": "user", "content": [{"type": "text", "text": "Mend it."}]},
        {"role": "user", "content": "Now."},
        {"role": "assistant", "content": "ls"},
        {"role": "user", "content": "an observation"},
    ]
    (request,) = ask(trajectory).requests
    text = user_text(request)
    fence = fence_of(text)
    assert f"<task_{fence}>\nMend it.\n\nNow.\n</task_{fence}>\n<step_{fence} index=0>" in text


def test_a_critic_is_shown_of_grading_what_it_sees_and_nothing_else():
    seen = Seen("patch_failed", ("test_a", "test_b"), "+ right")
    prompt = load_prompt(CRITICS / "with_patch/prompt.md")
    (request,) = requests_for(spec(sees={"gold_patch": True}), prompt, run(step()), seen).requests
    text = user_text(request)
    fence = fence_of(text)
    assert f"<gold_patch_{fence}>\n+ right\n</gold_patch_{fence}>" in text
    assert "this run is: patch_failed." in text
    assert "test_a" not in text
    (request,) = requests_for(spec(), PROMPT, run(step()), seen).requests
    assert "+ right" not in user_text(request)


def test_what_the_critic_may_not_see_never_reaches_it():
    seen = Seen("unresolved", ("test_a",), "+ right" * 9999)
    assert requests_for(spec(), PROMPT, run(step()), seen).cuts == ()
    for name in ("failed_tests", "gold_patch"):
        leaking = Prompt("prompt.md", f"{{{{ run }}}}{{{{ {name} }}}}")
        with pytest.raises(SrftError, match=f"'{name}' is undefined"):
            requests_for(spec(), leaking, run(step()), seen)


def test_beyond_the_context_whole_says_so():
    long = run(*(step(output="x " * 900) for _ in range(20)))
    with pytest.raises(TooLongError, match="20 steps need 14280 tokens, the context has room for"):
        ask(long, context={"tokens": 4096})


def test_windows_mark_what_is_context():
    long = run(*(step(output="x " * 900) for _ in range(12)))
    asked = ask(long, reading="windows", overlap=1, context={"tokens": 4096})
    assert [request.steps for request in asked.requests] == [range(5), range(5, 9), range(9, 12)]
    assert shown(asked.requests[1]) == [
        (4, True),
        *((index, False) for index in range(5, 9)),
    ]
    second = user_text(asked.requests[1])
    assert "(Steps 0 to 3 are not shown.)" in second
    assert "(The run goes on to step 11; steps 9 to 11 are not shown.)" in second
    assert second.endswith("Label 5 to 8.")


def test_the_oldest_context_gives_way_to_a_step_that_has_no_room_beside_it():
    sizes = (300, 300, 2700, 300)
    long = run(*(step(output="x" * size) for size in sizes))
    requests = ask(long, reading="windows", overlap=3, context={"tokens": 1650}).requests
    assert [shown(request) for request in requests] == [
        [(0, False), (1, False)],
        [(1, True), (2, False)],
        [(2, True), (3, False)],
    ]


def test_a_run_within_the_context_is_one_window(runs):
    for real in runs:
        whole, window = (ask(real, reading=reading).requests for reading in ("whole", "windows"))
        assert whole == window


@pytest.mark.parametrize("reading", ["windows", "steps"])
def test_a_step_beyond_the_context_is_named(reading):
    long = run(step(), step(output="x " * 9000), step())
    context = {"tokens": 4096, "observation_tokens": 5000}
    with pytest.raises(TooLongError, match="step 1 alone needs 5"):
        ask(long, reading=reading, context=context)


def test_one_call_a_step_shows_the_run_up_to_it(runs):
    real = runs[0]
    asked = ask(real, reading="steps")
    assert [request.steps for request in asked.requests] == [
        range(index, index + 1) for index in range(len(real.steps))
    ]
    assert [len(shown(request)) for request in asked.requests] == [
        index + 1 for index in range(len(real.steps))
    ]


@pytest.mark.parametrize("name", ["default", "strict", "with_patch"])
def test_prompts_of_consecutive_steps_share_all_but_the_question(name, runs):
    settings = spec(reading="steps", sees={"gold_patch": True})
    prompt = load_prompt(CRITICS / name / "prompt.md", settings)
    requests = requests_for(settings, prompt, runs[0], Seen("unresolved", None, "+ a")).requests
    for before, after in pairwise(requests):
        assert before.body["messages"][0] == after.body["messages"][0]
        texts = [user_text(before), user_text(after)]
        fence = fence_of(texts[0])
        last_step = texts[0].rindex(f"</step_{fence}>")
        assert len(common_prefix(*texts)) > last_step


def test_runs_of_one_task_share_the_system_message_and_the_task():
    prompt = load_prompt(CRITICS / "default/prompt.md")
    task = "Mend it. " * 100
    first, second = (
        requests_for(spec(), prompt, run(step(command=command), task=task), UNRESOLVED).requests[0]
        for command in ("ls", "cat a.py")
    )
    assert first.body["messages"][0] == second.body["messages"][0]
    shared = common_prefix(user_text(first), user_text(second))
    assert task.strip() in shared


def test_where_the_run_is_too_long_the_oldest_steps_go_many_at_once():
    long = run(*(step(output="x " * 400) for _ in range(30)))
    requests = ask(long, reading="steps", context={"tokens": 4096}).requests
    firsts = [shown(request)[0][0] for request in requests]
    assert firsts == sorted(firsts)
    assert 1 < len(set(firsts)) <= 8
    assert [shown(request)[-1][0] for request in requests] == list(range(30))


SIZES = st.lists(st.integers(0, 3000), min_size=1, max_size=25)


@given(SIZES, st.sampled_from(["windows", "steps"]), st.integers(0, 5), st.integers(1200, 6000))
def test_every_step_is_asked_about_once_and_every_prompt_fits(sizes, reading, overlap, tokens):
    long = run(*(step(output="x" * size) for size in sizes))
    context = {"tokens": tokens, "observation_tokens": 300}
    asked = ask(long, reading=reading, overlap=overlap, context=context)
    assert [i for request in asked.requests for i in request.steps] == list(range(len(sizes)))
    count = counter(None)
    held = 0
    for request in asked.requests:
        prompt = sum(count(message["content"]) for message in request.body["messages"])
        assert prompt + request.body["max_tokens"] <= tokens
        assert [i for i, context in shown(request) if not context][-1] == request.steps[-1]
        held += prompt
    assert asked.prompt_tokens == pytest.approx(held, rel=0.02)


def test_a_second_try_fits_as_well():
    long = run(*(step(output="x" * 900) for _ in range(3)))
    for tokens in range(1400, 2200, 7):
        try:
            (request,) = ask(long, context={"tokens": tokens}).requests
            break
        except TooLongError:
            continue
    reply = Reply(request.key, "no idea " * 1000, None, "stop", "m")
    second = again(request, reply, BadAnswer("not_json", "x" * 1000))
    count = counter(None)
    prompt = sum(count(message["content"]) for message in second.body["messages"])
    assert prompt + second.body["max_tokens"] <= tokens


def test_a_prompt_may_show_the_steps_in_its_own_way(tmp_path):
    path = tmp_path / "prompt.md"
    path.write_text("{% for step in steps %}{{ step.index }} {{ step.thought }}\n{% endfor %}")
    long = run(step("a", output="x" * 900), step("b"))
    asked = requests_for(spec(), load_prompt(path), long, UNRESOLVED)
    (request,) = asked.requests
    assert user_text(request) == "0 a\n1 b"
    assert asked.prompt_tokens == counter(None)("0 a\n1 b")


def test_a_prompt_that_shows_the_run_twice_is_counted_twice(tmp_path):
    prompts = []
    for text in ("{{ run }}", "{{ run }}{{ run }}"):
        path = tmp_path / "prompt.md"
        path.write_text(text)
        prompts.append(load_prompt(path))
    long = run(step(output="x " * 900))
    once, twice = (requests_for(spec(), p, long, UNRESOLVED).prompt_tokens for p in prompts)
    assert twice == pytest.approx(2 * once, rel=0.1)
    with pytest.raises(TooLongError, match="does the prompt show the run twice"):
        requests_for(spec(context={"tokens": 1300}), prompts[1], long, UNRESOLVED)
