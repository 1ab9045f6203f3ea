"""For any conversation, on any sound template, whatever the mask: the rows are right."""

import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srft_assets.tokens.mask import mask_run
from srft_assets.tokens.template import RENDER_DATE
from srft_assets.tokens.tokenizer import ChatTokenizer
from srft_assets.trajectories.model import Message
from tests.tokens.chats import QUICK, TEXT, UNSPECIAL, assert_says, assert_sound, chats, decoded
from tests.tokens.conftest import all_of, run_of
from tests.tokens.templates import SOUND

DATE = RENDER_DATE.strftime("%d %b %Y")


def said(name: str, content: str) -> str:
    """What the template writes for an assistant turn, by hand."""
    if name in ("llama", "gemma"):
        return content.strip() + {"llama": "<|eot_id|>", "gemma": "<end_of_turn>"}[name]
    if name.startswith("deepseek"):
        return content + "<｜end▁of▁sentence｜>"
    if name == "qwen-thinking":
        return content.lstrip("\n") + "<|im_end|>"
    return content + "<|im_end|>"


@pytest.mark.parametrize("name", list(SOUND))
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
        assert_says(text, said(name, content))


@pytest.mark.parametrize("name", list(SOUND))
@QUICK
@given(chat=chats(UNSPECIAL))
def test_ids_are_those_of_the_unmasked_rendering(
    name: str, chat: list[Message], tokenizer_with: Callable
) -> None:
    tokenizer = tokenizer_with(SOUND[name])
    run = run_of(chat)
    expected = tokenizer.hf.apply_chat_template(chat, date_string=DATE)["input_ids"]
    nothing = mask_run(run, dict.fromkeys(all_of(run), False), tokenizer)
    everything = mask_run(run, all_of(run), tokenizer)
    assert nothing.input_ids.tolist() == everything.input_ids.tolist() == expected
    assert nothing.n_trained == 0


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
