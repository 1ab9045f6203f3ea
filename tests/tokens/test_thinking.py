"""Thinking of a run: dropped by a template, added by one, and where a window opens."""

from collections.abc import Callable, Sequence

import pytest

from srft_assets.tokens.lengths import windows
from srft_assets.tokens.mask import mask_run
from srft_assets.tokens.token_labels import MaskedRow, RunRefusedError
from srft_assets.tokens.tokenizer import ChatTokenizer
from srft_assets.trajectories.model import Message
from tests.tokens.chats import decoded
from tests.tokens.conftest import all_of, run_of
from tests.tokens.templates import CHATML, QWEN_THINKING

ALWAYS_EMPTY = CHATML.replace(
    "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}",
    "{{'<|im_start|>' + message['role'] + '\n'}}"
    "{% if message['role'] == 'assistant' %}{{ '<think></think>' }}{% endif %}"
    "{{ message['content'] + '<|im_end|>' + '\n'}}",
)
TAGS = ("<think>", "</think>")


def answers(*turns: Message) -> list[Message]:
    """A question, and observations between the turns."""
    chat: list[Message] = []
    for turn in turns:
        chat += [{"role": "user", "content": "seen"}, {"role": "assistant", **turn}]
    return chat


def masked(chat: Sequence[Message], tokenizer: ChatTokenizer) -> MaskedRow:
    run = run_of(chat)
    return mask_run(run, all_of(run), tokenizer)


def test_thinking_that_a_template_drops_in_every_turn_is_told_of_the_row(
    tokenizer_with: Callable,
) -> None:
    thought = [{"content": "ls", "reasoning_content": f"I look {n}."} for n in range(2)]
    row = masked(answers(*thought), tokenizer_with(CHATML))
    assert row.thinking_dropped
    assert not masked(answers({"content": "ls"}), tokenizer_with(CHATML)).thinking_dropped
    assert not masked(answers(thought[0]), tokenizer_with(QWEN_THINKING)).thinking_dropped


@pytest.mark.parametrize("template", [QWEN_THINKING, ALWAYS_EMPTY])
def test_an_empty_think_block_that_the_template_adds_carries_no_loss(
    template: str, tokenizer_with: Callable
) -> None:
    tokenizer = tokenizer_with(template)
    row = masked(answers({"content": "ls"}, {"content": "cat a.py"}), tokenizer)
    assert decoded(row, tokenizer) == ["ls<|im_end|>", "cat a.py<|im_end|>"]
    assert "<think>" in tokenizer.decode(row.input_ids.tolist())


def test_an_empty_think_block_of_the_models_own_words_carries_loss(
    tokenizer_with: Callable,
) -> None:
    said = "<think>\n\n</think>\n\nls"
    tokenizer = tokenizer_with(CHATML)
    assert decoded(masked(answers({"content": said}), tokenizer), tokenizer) == [
        f"{said}<|im_end|>"
    ]


def test_an_empty_think_block_in_the_place_of_recorded_thinking_carries_no_loss(
    tokenizer_with: Callable,
) -> None:
    tokenizer = tokenizer_with(ALWAYS_EMPTY)
    row = masked(answers({"content": "ls", "reasoning_content": "I look."}), tokenizer)
    assert decoded(row, tokenizer) == ["ls<|im_end|>"]


@pytest.mark.parametrize("prompt", ["", "<think>\n"])
@pytest.mark.parametrize("said", ["I close it by </think> here.", "I close it.\n</think>\n\nSo."])
def test_words_before_a_closing_tag_are_thinking_only_where_the_prompt_opened_it(
    prompt: str, said: str, tokenizer_with: Callable
) -> None:
    split = QWEN_THINKING.replace(
        "{%- set thinking = message.reasoning_content or '' %}",
        "{%- set thinking = message.reasoning_content or '' %}{%- set content = message.content %}"
        "{%- if '</think>' in content and not thinking %}"
        "{%- set thinking = content.split('</think>')[0].strip('\n') %}"
        "{%- set content = content.split('</think>')[-1] %}{%- endif %}",
    ).replace("message.content.lstrip('\n') + '<|im_end|>", "content.lstrip('\n') + '<|im_end|>")
    asked = split.replace("assistant\n' }}{%- endif %}", f"assistant\n{prompt}' }}}}{{%- endif %}}")
    assert (asked == split) == (not prompt)
    chat, tokenizer = answers({"content": said}), tokenizer_with(asked, unflagged=TAGS)
    if prompt:
        assert decoded(masked(chat, tokenizer), tokenizer)[0].startswith("I close it")
        return
    with pytest.raises(RunRefusedError, match="leaves out text of message 1"):
        masked(chat, tokenizer)


def test_a_window_opens_its_first_turn_as_the_template_opened_it(tokenizer_with: Callable) -> None:
    tokenizer = tokenizer_with(QWEN_THINKING)
    row = masked(answers({"content": "ls"}, {"content": "cat a.py"}), tokenizer)
    whole = tokenizer.decode(row.input_ids.tolist())
    head, block = "<|im_start|>user\nseen<|im_end|>\n<|im_start|>assistant\n", "<think>\n\n</think>"
    assert f"{head}{block}\n\ncat a.py" in whole
    texts = [
        tokenizer.decode(part.input_ids.tolist())
        for part in windows(row, row.n_tokens - 2, overlap=0)
    ]
    assert [text.removeprefix(whole[: whole.index("ls")]) for text in texts] == [
        "ls<|im_end|>",
        f"{block}\n\ncat a.py<|im_end|>",
    ]
