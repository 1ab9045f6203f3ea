"""For any conversation with tools, on any template that knows them: the rows are right."""

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srft_assets.tokens.calls import with_ids_for
from srft_assets.tokens.mask import mask_run
from srft_assets.trajectories.model import Message
from tests.tokens.chats import QUICK, TEXT, assert_says, assert_sound, decoded, tool_chats
from tests.tokens.conftest import run_of
from tests.tokens.templates import CHATML, QWEN
from tests.tokens.tool_templates import MISTRAL_TOOLS, TOOLS, said

OFFERED = [{"type": "function", "function": {"name": "bash", "description": "Runs a command."}}]


@QUICK
@given(chat=tool_chats(), data=st.data())
def test_tool_calls_and_results_in_any_number(
    chat: list[Message], data: st.DataObject, tokenizer_with: Callable
) -> None:
    tokenizer = tokenizer_with(QWEN)
    run = run_of(chat)
    keep = {step.step_index: data.draw(st.booleans()) for step in run.steps}
    row = mask_run(run, keep, tokenizer)
    assert_sound(row, run, keep)
    for step, text in zip(run.steps, decoded(row, tokenizer), strict=True):
        message = chat[step.message_index]
        calls = [
            f'<tool_call>\n{{"name": "{call["function"]["name"]}", "arguments": '
            f"{json.dumps(json.loads(call['function']['arguments']), ensure_ascii=False)}"
            "}\n</tool_call>"
            for call in message["tool_calls"]
        ]
        lines = [message["content"]] if message["content"] else []
        assert_says(text, "\n".join(lines + calls) + "<|im_end|>")


@st.composite
def native_chats(draw: st.DrawFn) -> list[Message]:
    """What all of these templates can write: one call a turn and no words beside it, each
    answered; between them, questions and plain answers in turn."""
    chat: list[Message] = []
    if draw(st.booleans()):
        chat.append({"role": "system", "content": draw(TEXT)})
    for number in range(draw(st.integers(1, 4))):
        chat.append({"role": "user", "content": draw(TEXT)})
        for call in range(draw(st.integers(0, 3))):
            name = draw(st.sampled_from(["bash", "python", "edit"]))
            given = draw(st.dictionaries(st.sampled_from(["a", "b"]), TEXT, max_size=2))
            function = {"name": name, "arguments": json.dumps(given)}
            own = f"call_{number}_{call}"
            calls = [{"id": own, "type": "function", "function": function}]
            chat.append({"role": "assistant", "content": None, "tool_calls": calls})
            chat.append({"role": "tool", "tool_call_id": own, "content": draw(TEXT)})
        chat.append({"role": "assistant", "content": draw(TEXT)})
    return chat


@pytest.mark.parametrize("name", list(TOOLS))
@QUICK
@given(chat=native_chats(), offered=st.booleans(), data=st.data())
def test_templates_with_tools_of_their_own_syntax(
    name: str,
    chat: list[Message],
    offered: bool,
    data: st.DataObject,
    tokenizer_with: Callable,
) -> None:
    tokenizer = tokenizer_with(TOOLS[name])
    run = run_of(chat, OFFERED if offered else None)
    keep = {step.step_index: data.draw(st.booleans()) for step in run.steps}
    row = mask_run(run, keep, tokenizer)
    assert_sound(row, run, keep)
    ids = [
        [call["id"] for call in message.get("tool_calls", [])]
        for message in with_ids_for(MISTRAL_TOOLS, chat)
    ]
    for step, text in zip(run.steps, decoded(row, tokenizer), strict=True):
        place = step.message_index
        assert_says(text, said(name, chat[place], ids[place], "<|im_end|>"))
    nothing = mask_run(run, dict.fromkeys(keep, False), tokenizer)
    assert nothing.input_ids.tolist() == row.input_ids.tolist()


@pytest.mark.parametrize("name", ["qwen", "chatml", "llama"])
def test_the_older_function_call_is_trained_like_a_tool_call(
    name: str, tokenizer_with: Callable
) -> None:
    function = {"name": "bash", "arguments": '{"command": "ls src"}'}
    answers: list[Message] = [{"role": "tool", "content": "a.py"}, {"role": "user", "content": "?"}]
    older, newer = (
        run_of(
            [
                {"role": "user", "content": "Fix it."},
                {"role": "assistant", "content": None, **call},
                *answers,
                {"role": "assistant", "content": "Done."},
            ]
        )
        for call in ({"function_call": function}, {"tool_calls": [{"function": function}]})
    )
    tokenizer = tokenizer_with({"qwen": QWEN, "chatml": CHATML, "llama": TOOLS["llama"]}[name])
    row, same = (mask_run(run, {0: True, 1: True}, tokenizer) for run in (older, newer))
    assert "ls src" in decoded(row, tokenizer)[0]
    assert row.input_ids.tolist() == same.input_ids.tolist()
