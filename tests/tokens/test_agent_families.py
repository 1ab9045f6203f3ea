"""GLM, Kimi K2, MiniMax M2, Qwen3-Coder, Devstral, DeepSeek-V3.1: what a masked run trains."""

import json
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest

from srft_assets.tokens.mask import mask_run
from srft_assets.tokens.render import render, render_prompt
from srft_assets.tokens.token_labels import IGNORED, MaskedRow, RunRefusedError
from srft_assets.tokens.tokenizer import ChatTokenizer, load_tokenizer
from srft_assets.trajectories.model import Message, Trajectory
from tests.families import TEMPLATES, write_tokenizer
from tests.tokens.agent_templates import AGENTS
from tests.tokens.chats import decoded
from tests.tokens.conftest import all_of, run_of
from tests.tokens.test_trl_templates import TOOLS

pytestmark = pytest.mark.skipif(not TEMPLATES.is_dir(), reason="TRL is not installed")
QUESTION: Message = {"role": "user", "content": "Repair p.py."}
WORDS: list[Message] = [
    {"role": "system", "content": "You repair."},
    QUESTION,
    {"role": "assistant", "content": "I look.\nls"},
    {"role": "user", "content": "p.py"},
    {"role": "assistant", "content": "I break it."},
    {"role": "user", "content": "done"},
    {"role": "assistant", "content": "I mend it."},
]


def call(number: int, command: str) -> dict[str, Any]:
    function = {"name": "bash", "arguments": json.dumps({"command": command})}
    return {"id": f"call_{number}", "type": "function", "function": function}


def result(number: int, text: str) -> Message:
    return {"role": "tool", "tool_call_id": f"call_{number}", "name": "bash", "content": text}


CALLS: list[Message] = [
    QUESTION,
    {"role": "assistant", "content": "I look.", "tool_calls": [call(0, "ls"), call(1, "pwd")]},
    result(0, "p.py"),
    result(1, "/repo"),
    {"role": "assistant", "content": "I break.", "tool_calls": [call(2, "rm p.py")]},
    result(2, ""),
    {"role": "assistant", "content": "I submit.", "tool_calls": [call(3, "submit")]},
]
COMMANDS = (("ls", "pwd"), ("rm p.py",), ("submit",))


Load = Callable[[str], ChatTokenizer]


@pytest.fixture(scope="module")
def tokenizer_of(tmp_path_factory: pytest.TempPathFactory) -> Load:
    """The tokenizer of a family, from files, made once."""

    @cache
    def load(name: str) -> ChatTokenizer:
        folder = tmp_path_factory.mktemp(name)
        write_tokenizer(AGENTS[name], folder)
        return load_tokenizer(folder)

    return load


def trained(row: MaskedRow, tokenizer: ChatTokenizer) -> list[str]:
    """The text of each stretch of trained tokens, from the labels alone."""
    labels = row.labels()
    places = np.flatnonzero(labels != IGNORED)
    stretches = np.split(places, np.flatnonzero(np.diff(places) > 1) + 1)
    return [tokenizer.decode(labels[one].tolist()) for one in stretches]


@pytest.mark.parametrize("name", AGENTS)
def test_words_are_trained_with_their_stop_and_masked_ones_are_not(name: str, tokenizer_of: Load):
    tokenizer, end = tokenizer_of(name), AGENTS[name].ends
    row = mask_run(run_of(WORDS), {0: True, 1: False, 2: True}, tokenizer)
    assert trained(row, tokenizer) == [f"I look.\nls{end}", f"I mend it.{end}"]
    assert "I break it." in tokenizer.decode(row.input_ids.tolist())


@pytest.mark.parametrize("name", AGENTS)
def test_calls_are_trained_with_the_stop_behind_them(name: str, tokenizer_of: Load):
    tokenizer = tokenizer_of(name)
    end = "<|observation|>" if name == "glm4_5" else AGENTS[name].ends
    row = mask_run(run_of(CALLS, TOOLS), {0: True, 1: False, 2: True}, tokenizer)
    first, last = trained(row, tokenizer)
    for text, words, commands in (
        (first, "I look.", COMMANDS[0]),
        (last, "I submit.", COMMANDS[2]),
    ):
        assert text.startswith(words) and text.endswith(end)
        assert text.count(end) == 1
        assert all(command in text for command in commands)
        assert "rm p.py" not in text


@pytest.mark.parametrize("name", AGENTS)
def test_the_ids_are_those_of_the_template(name: str, tokenizer_of: Load):
    tokenizer = tokenizer_of(name)
    row = mask_run(run_of(WORDS), {0: True, 1: True, 2: True}, tokenizer)
    expected = tokenizer.hf.apply_chat_template(WORDS)["input_ids"]
    marker = [tokenizer.special_ids["<|user|>"]] if name == "glm4_5" else []
    assert row.input_ids.tolist() == [*expected, *marker]


def test_a_turn_of_glm_ends_where_who_speaks_next_is_named(tokenizer_of: Load):
    tokenizer = tokenizer_of("glm4_5")
    mixed = [*CALLS[:4], {"role": "assistant", "content": "I ask."}, QUESTION, *CALLS[4:6]]
    run = run_of(mixed, TOOLS)
    rendering = render(run, tokenizer)
    ends = [turn.terminator for turn in rendering.turns]
    assert ends == ["<|observation|>", "<|user|>", "<|observation|>"]
    row = mask_run(run, all_of(run), tokenizer)
    for text, end in zip(decoded(row, tokenizer), ends, strict=True):
        assert text.endswith(end)


def test_glm_is_asked_for_the_next_turn_without_a_stop_of_its_own(tokenizer_of: Load):
    tokenizer = tokenizer_of("glm4_5")
    text = render_prompt(WORDS[:4], None, tokenizer).text
    assert text.endswith("<|user|>\np.py<|assistant|>")


def test_the_stop_behind_a_masked_turn_of_glm_carries_no_loss(tokenizer_of: Load):
    tokenizer = tokenizer_of("glm4_5")
    row = mask_run(run_of(WORDS), {0: False, 1: False, 2: False}, tokenizer)
    assert (row.labels() == IGNORED).all()
    assert [int(row.input_ids[span.end - 1]) for span in row.spans] == [
        tokenizer.special_ids["<|user|>"]
    ] * 3


@pytest.mark.parametrize("after", [{"role": "assistant", "content": "b"}, WORDS[0]])
def test_a_turn_of_glm_that_another_header_follows_is_refused(after: Message, tokenizer_of: Load):
    run: Trajectory = run_of([QUESTION, {"role": "assistant", "content": "a"}, after, QUESTION])
    with pytest.raises(RunRefusedError, match="no end-of-turn token closes step 0"):
        mask_run(run, all_of(run), tokenizer_of("glm4_5"))


def test_words_of_a_run_that_look_like_the_stop_of_glm_are_text(tokenizer_of: Load):
    tokenizer = tokenizer_of("glm4_5")
    said = {"role": "assistant", "content": "I print <|user|> and <|observation|>"}
    row = mask_run(run_of([QUESTION, said]), {0: True}, tokenizer)
    (text,) = trained(row, tokenizer)
    assert text == "I print <|user|> and <|observation|><|user|>"
    ids = row.input_ids[row.spans[0].start :].tolist()
    assert ids.count(tokenizer.special_ids["<|user|>"]) == 1
    assert tokenizer.special_ids["<|observation|>"] not in ids


def test_ids_of_kimi_name_the_function_and_count_the_calls_of_the_chat(tokenizer_of: Load):
    text = render(run_of(CALLS, TOOLS), tokenizer_of("kimi_k2")).text
    for number in range(4):
        assert f"<|tool_call_begin|>functions.bash:{number}<|tool_call_argument_begin|>" in text
    for number in range(3):
        assert text.count(f"## Return of functions.bash:{number}\n") == 1
    assert "call_" not in text.replace("tool_call_", "")
