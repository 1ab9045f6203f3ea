"""For any conversation, on any sound template, whatever the mask: the rows are right."""

import json
import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from srft_assets.tokens.mask import mask_run
from srft_assets.tokens.row import IGNORED, MaskedRow
from srft_assets.tokens.tokenizer import ChatTokenizer
from srft_assets.trajectories.model import Message, Trajectory
from tests.tokens.conftest import SPECIAL, all_of, run_of
from tests.tokens.templates import QWEN, SOUND

QUICK = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
ODD = ["\n\n", " ", "é", "e\u0301", "👩\u200d🚀", "\u202e", "\x1b[31m", "\ufdd0"]
SNIPPETS = [*SPECIAL, "<|im_", "|>", *ODD]
WORDS = st.lists(st.one_of(st.sampled_from(SNIPPETS), st.text(max_size=8)), max_size=6)
TEXT = WORDS.map("".join)
UNSPECIAL = TEXT.filter(lambda text: not any(token in text for token in SPECIAL))


@st.composite
def chats(draw: st.DrawFn, text: st.SearchStrategy[str]) -> list[Message]:
    """system?, user, assistant, user, …, assistant."""
    chat = [{"role": "system", "content": draw(text)}] if draw(st.booleans()) else []
    for _ in range(draw(st.integers(1, 4))):
        chat.append({"role": "user", "content": draw(text)})
        chat.append({"role": "assistant", "content": draw(text)})
    return chat


@st.composite
def tool_chats(draw: st.DrawFn) -> list[Message]:
    """Turns with any number of tool calls and results, also several assistant turns in a row."""
    chat: list[Message] = [{"role": "user", "content": draw(TEXT)}]
    for number in range(draw(st.integers(1, 5))):
        arguments = st.dictionaries(TEXT, TEXT, max_size=2).map(json.dumps)
        calls = draw(st.lists(st.tuples(TEXT, arguments), max_size=3))
        functions = [{"name": name, "arguments": given} for name, given in calls]
        chat.append(
            {
                "role": "assistant",
                "content": draw(st.one_of(st.none(), TEXT)),
                "tool_calls": [
                    {"id": f"call{number}", "type": "function", "function": f} for f in functions
                ],
            }
        )
        for _ in range(draw(st.integers(0, 2))):
            chat.append({"role": "tool", "tool_call_id": f"call{number}", "content": draw(TEXT)})
    return chat


def said(name: str, content: str, last: bool) -> str:
    """What the template writes for an assistant turn, by hand."""
    if name == "llama":
        return content.strip() + "<|eot_id|>"
    if name == "deepseek":
        return content + "<｜end▁of▁sentence｜>"
    if name == "qwen-thinking":
        return ("<think>\n\n</think>\n\n" if last else "") + content.lstrip("\n") + "<|im_end|>"
    return content + "<|im_end|>"


def decoded(row: MaskedRow, tokenizer: ChatTokenizer) -> list[str]:
    """Text of each span."""
    spans = [row.input_ids[span.start : span.end].tolist() for span in row.spans]
    return [tokenizer.backend.decode(ids, skip_special_tokens=False) for ids in spans]


def assert_sound(row: MaskedRow, run: Trajectory, keep: dict[int, bool]) -> None:
    """Spans are one for each step, in order, apart; labels are the ids inside trained ones."""
    assert [span.step_index for span in row.spans] == list(range(len(run.steps)))
    assert {span.step_index: span.trained for span in row.spans} == keep
    borders = [border for span in row.spans for border in (span.start, span.end)]
    assert borders == sorted(borders)
    labels = row.labels()
    trained = {at for s in row.spans if s.trained for at in range(s.start, s.end)}
    for at, (label, token) in enumerate(zip(labels, row.input_ids, strict=True)):
        assert label == (token if at in trained else IGNORED)
    assert row.n_trained == len(trained)
    assert row.n_tokens == len(row.input_ids)


def assert_says(text: str, expected: str) -> None:
    """The trained text is the turn's; white space may have melted into the token before it."""
    assert expected.endswith(text)
    missing = expected.removesuffix(text)
    assert not missing or missing.isspace()


@pytest.mark.parametrize("name", [name for name in SOUND if name != "own"])
@QUICK
@given(chat=chats(TEXT), data=st.data())
def test_trained_tokens_decode_to_the_accepted_turns(
    name: str, chat: list[Message], data: st.DataObject, tokenizer_with: Callable
) -> None:
    tokenizer = tokenizer_with(SOUND[name])
    run = run_of(chat)
    keep = {step.step_index: data.draw(st.booleans()) for step in run.steps}
    row = mask_run(run, keep, tokenizer)
    assert_sound(row, run, keep)
    for step, text in zip(run.steps, decoded(row, tokenizer), strict=True):
        content = chat[step.message_index]["content"]
        assert_says(text, said(name, content, last=step is run.steps[-1]))


@pytest.mark.parametrize("name", list(SOUND))
@QUICK
@given(chat=chats(UNSPECIAL))
def test_ids_are_those_of_the_unmasked_rendering(
    name: str, chat: list[Message], tokenizer_with: Callable
) -> None:
    tokenizer = tokenizer_with(SOUND[name])
    run = run_of(chat)
    expected = tokenizer.hf.apply_chat_template(chat, tokenize=True)["input_ids"]
    nothing = mask_run(run, dict.fromkeys(all_of(run), False), tokenizer)
    everything = mask_run(run, all_of(run), tokenizer)
    assert nothing.input_ids.tolist() == everything.input_ids.tolist() == expected
    assert nothing.n_trained == 0


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


@QUICK
@given(chat=chats(TEXT))
def test_special_tokens_stand_only_where_the_template_wrote_them(
    chat: list[Message], chatml: ChatTokenizer
) -> None:
    row = mask_run(run_of(chat), all_of(run_of(chat)), chatml)
    special = set(chatml.special_ids.values())
    turns = len(chat) + (chat[0]["role"] != "system")
    assert sum(int(token) in special for token in row.input_ids) == 2 * turns
    whole = chatml.backend.decode(row.input_ids.tolist(), skip_special_tokens=False)
    assert whole == chatml.hf.apply_chat_template(chat, tokenize=False)


@QUICK
@given(chat=chats(TEXT))
def test_a_normalizing_tokenizer_gives_the_normalized_text(
    chat: list[Message], tokenizer_with: Callable
) -> None:
    tokenizer = tokenizer_with(nfc=True)
    run = run_of(chat)
    row = mask_run(run, all_of(run), tokenizer)
    for step, text in zip(run.steps, decoded(row, tokenizer), strict=True):
        content = unicodedata.normalize("NFC", chat[step.message_index]["content"])
        assert_says(text, content + "<|im_end|>")
