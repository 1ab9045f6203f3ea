"""Which requests a run becomes: every step asked about once, within the context."""

import pytest

from srft_assets.critic.prompt.requests import Asked, Seen, TooLongError, requests_for
from srft_assets.critic.prompt.template import Prompt, load_prompt
from srft_assets.critic.prompt.text import counter
from srft_assets.errors import SrftError
from tests.critic.prompt_runs import (
    CRITICS,
    PROMPT,
    UNRESOLVED,
    ask,
    common_prefix,
    fence_of,
    run,
    shown,
    spec,
    step,
    user_text,
)


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
