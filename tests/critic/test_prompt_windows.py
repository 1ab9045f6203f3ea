"""A run beyond the context: windows, one call a step, and what gives way."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srft_assets.critic.answer import BadAnswer, again
from srft_assets.critic.calls import Reply
from srft_assets.critic.prompt.requests import Seen, TooLongError, requests_for
from srft_assets.critic.prompt.template import load_prompt
from srft_assets.critic.prompt.text import counter
from tests.critic.prompt_runs import (
    CRITICS,
    ask,
    common_prefix,
    fence_of,
    run,
    shown,
    spec,
    step,
    user_text,
)


def test_beyond_the_context_whole_reads_in_windows():
    long = run(*(step(output="x " * 900) for _ in range(20)))
    asked = ask(long, context={"tokens": 4096})
    windows = ask(long, reading="windows", context={"tokens": 4096})
    assert [one.key for one in asked.requests] == [one.key for one in windows.requests]
    assert [index for one in asked.requests for index in one.steps] == list(range(20))


def test_beyond_the_context_a_critic_may_leave_a_run_unlabeled():
    long = run(*(step(output="x " * 900) for _ in range(20)))
    with pytest.raises(TooLongError, match="20 steps need 14280 tokens, the context has room for"):
        ask(long, context={"tokens": 4096}, too_long="unlabeled")


def test_a_prompt_that_asks_for_all_steps_cannot_show_windows(tmp_path):
    path = tmp_path / "prompt.md"
    path.write_text("{{ task }} {{ run }} Label every step. {{ answer }}")
    long = run(*(step(output="x " * 900) for _ in range(20)))
    small = spec(context={"tokens": 4096})
    with pytest.raises(TooLongError, match="20 steps need"):
        requests_for(small, load_prompt(path, small), long, Seen(outcome="unresolved"))


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
    assert len(requests) > 2
    for before, after in pairwise(requests):
        assert before.body["messages"][0] == after.body["messages"][0]
        texts = [user_text(before), user_text(after)]
        fence = fence_of(texts[0])
        last_step = texts[0].rindex(f"</step_{fence}>")
        assert len(common_prefix(*texts)) > last_step


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
            (request,) = ask(long, too_long="unlabeled", context={"tokens": tokens}).requests
            break
        except TooLongError:
            continue
    reply = Reply(request.key, "no idea " * 1000, None, "stop", "m")
    second = again(request, reply, BadAnswer("not_json", "x" * 1000))
    count = counter(None)
    prompt = sum(count(message["content"]) for message in second.body["messages"])
    assert prompt + second.body["max_tokens"] <= tokens
