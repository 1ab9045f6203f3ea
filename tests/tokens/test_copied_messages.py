"""Templates that build new messages out of those of the run, and write the new ones."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srft_assets.tokens.mask import mask_run
from srft_assets.tokens.render import render
from srft_assets.tokens.token_labels import RunRefusedError
from srft_assets.tokens.tokenizer import ChatTokenizer
from srft_assets.trajectories.model import Message
from tests.tokens.chats import QUICK, TEXT, assert_sound, decoded
from tests.tokens.conftest import all_of, run_of

COPIED = """\
{%- set ns = namespace(chat=[], group=[], role=none, system='', questions=0) %}
{%- for message in messages + [{'role': 'end'}] %}
    {%- if message.role != ns.role %}
        {%- if ns.role == 'system' %}{%- set ns.system = ns.group | join('\n') %}
        {%- elif ns.role is not none %}
            {%- set ns.chat = ns.chat + [{'role': ns.role, 'content': ns.group | join('\n')}] %}
            {%- if ns.role == 'user' %}{%- set ns.questions = ns.questions + 1 %}{%- endif %}
        {%- endif %}
        {%- set ns.group = [] %}{%- set ns.role = message.role %}
    {%- endif %}
    {%- set ns.group = ns.group + [message.content] %}
{%- endfor %}
{%- for message in ns.chat %}
    {%- if message.role == 'user' %}
        {%- set ns.questions = ns.questions - 1 %}
        {{- '<|im_start|>' + (ns.system if ns.questions == 0 else '') + message.content }}
    {%- else %}{{- message.content }}{%- endif %}
    {{- '<|im_end|>' }}
{%- endfor %}
"""
"""As Mistral's: messages of one role are merged, and the system prompt stands in the last
question, so that no rendering of a prefix is the start of the whole."""


@pytest.fixture(scope="module")
def copied(tokenizer_with: Callable) -> ChatTokenizer:
    return tokenizer_with(COPIED)


def chat_of(*answers: str) -> list[Message]:
    chat: list[Message] = [{"role": "system", "content": "Be brief."}]
    for number, answer in enumerate(answers):
        chat.append({"role": "user", "content": f"question {number}"})
        chat.append({"role": "assistant", "content": answer})
    return chat


def test_the_turns_of_copies_are_found(copied: ChatTokenizer) -> None:
    run = run_of(chat_of("I look.", "I mend."))
    rendering = render(run, copied)
    said = [rendering.text[turn.start : turn.end] for turn in rendering.turns]
    assert said == ["I look.<|im_end|>", "I mend.<|im_end|>"]
    assert rendering.path == "traced"
    assert rendering.text.index("Be brief.") > rendering.turns[0].end


@pytest.mark.parametrize("answer", ["the same answer", "ok"])
def test_equal_answers_are_told_apart(copied: ChatTokenizer, answer: str) -> None:
    run = run_of(chat_of(answer, answer, answer))
    row = mask_run(run, {0: True, 1: False, 2: True}, copied)
    starts = [span.start for span in row.spans]
    assert starts == sorted(set(starts))
    assert decoded(row, copied) == [f"{answer}<|im_end|>"] * 3


def test_merged_questions_are_nobodys(copied: ChatTokenizer) -> None:
    chat = chat_of("I look.")
    chat[2:2] = [{"role": "user", "content": "and please mend"}]
    row = mask_run(run_of(chat), {0: True}, copied)
    assert decoded(row, copied) == ["I look.<|im_end|>"]


def test_merged_answers_are_refused(copied: ChatTokenizer) -> None:
    chat = chat_of("I look.")
    chat.append({"role": "assistant", "content": "I mend."})
    with pytest.raises(RunRefusedError):
        render(run_of(chat), copied)


@QUICK
@given(answers=st.lists(TEXT, min_size=1, max_size=5), data=st.data())
def test_a_run_is_right_or_refused(
    answers: list[str], data: st.DataObject, copied: ChatTokenizer
) -> None:
    """Empty answers have nothing to be known by, and Python shares those of one character."""
    run = run_of(chat_of(*answers))
    keep = {step: data.draw(st.booleans()) for step in all_of(run)}
    try:
        row = mask_run(run, keep, copied)
    except RunRefusedError:
        short = [answer for answer in answers if len(answer) < 2]
        assert short, answers
        return
    assert_sound(row, run, keep)
    assert decoded(row, copied) == [f"{answer}<|im_end|>" for answer in answers]
