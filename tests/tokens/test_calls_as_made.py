"""A tool call is trained as it was made, and the tools offered are told before it."""

from collections.abc import Callable
from typing import Any

import pytest

from srft_assets.tokens.mask import mask_run
from srft_assets.tokens.stage import figures
from srft_assets.tokens.token_labels import RunRefusedError
from srft_assets.tokens.tokenizer import ChatTokenizer
from tests.tokens.chats import decoded
from tests.tokens.conftest import all_of, run_of
from tests.tokens.templates import CHATML, QWEN
from tests.tokens.tool_templates import TOOLS

SCHEMA = {"name": "bash", "description": "Runs a command.", "parameters": {"type": "object"}}
BASH = [{"type": "function", "function": SCHEMA}]


def turn(arguments: Any, tokenizer: ChatTokenizer) -> str:
    """The turn of one call with these arguments."""
    calls = [{"type": "function", "function": {"name": "bash", "arguments": arguments}}]
    asked = {"role": "user", "content": "Repair p.py."}
    run = run_of([asked, {"role": "assistant", "content": "", "tool_calls": calls}])
    return decoded(mask_run(run, all_of(run), tokenizer), tokenizer)[0]


@pytest.mark.parametrize("none", ["", "  ", "null", None, "{}", {}])
@pytest.mark.parametrize("template", [QWEN, TOOLS["deepseek-tools"], CHATML])
def test_a_call_without_arguments_has_an_empty_object(none, template, tokenizer_with) -> None:
    text = turn(none, tokenizer_with(template))
    assert "{}" in text
    assert "null" not in text


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ('{"command": "ls', "broken JSON"),
        ("ls -la", "broken JSON"),
        ('{"size": NaN}', "broken JSON"),
        ('"{\\"command\\": \\"ls\\"}"', "JSON text within JSON text"),
        ("[1]", "no JSON object"),
        ('{"command": "ls", "command": "pwd"}', "argument 'command' twice"),
        ('{"in": {"a": 1, "a": 2}}', "argument 'a' twice"),
        ('{"size": 1e5}', "number 1e5"),
        ('{"size": 1.50}', "number 1.50"),
        ('{"size": 1e999}', "number 1e999"),
    ],
)
def test_arguments_that_a_template_would_write_otherwise_refuse_the_run(
    arguments: str, reason: str, tokenizer_with: Callable
) -> None:
    with pytest.raises(RunRefusedError, match=reason):
        turn(arguments, tokenizer_with(QWEN))


AS_TEXT = pytest.mark.parametrize("template", [TOOLS["deepseek-tools"], CHATML])
"""Templates that take arguments as text, and a chat whose calls are written into the content."""


@pytest.mark.parametrize("made", ['{"size": 1e5}', '{"size": 0.10}', '{"in": [1.50, 1e999]}'])
@AS_TEXT
def test_a_number_stays_as_it_was_made_where_arguments_are_text(
    made: str, template: str, tokenizer_with: Callable
) -> None:
    assert made in turn(made, tokenizer_with(template))


@pytest.mark.parametrize("made", ['{"command": "ls', "ls -la", "[1]", '{"a": 1, "a": 2}', '"{}"'])
@AS_TEXT
def test_a_broken_call_stays_in_the_context_and_its_step_carries_no_loss(
    made: str, template: str, tokenizer_with: Callable
) -> None:
    tokenizer = tokenizer_with(template)
    turns = [("ls", '{"command": "ls"}'), ("bad", made), ("pwd", '{"command": "pwd"}')]
    chat: list[dict[str, Any]] = [{"role": "user", "content": "Go."}]
    for name, arguments in turns:
        calls = [{"type": "function", "function": {"name": name, "arguments": arguments}}]
        chat.append({"role": "assistant", "content": "", "tool_calls": calls})
        chat.append({"role": "tool", "content": "done"})
    run = run_of(chat)
    row = mask_run(run, all_of(run), tokenizer)
    assert [span.trained for span in row.spans] == [True, False, True]
    assert made in tokenizer.decode(row.input_ids.tolist())
    assert figures([row], [])["steps_masked_for_broken_calls"] == row.broken_calls == 1


def test_numbers_and_the_order_of_keys_stay(tokenizer_with: Callable) -> None:
    made = '{"z": 1.0, "a": 0.1, "m": 123456789012345678901234567890, "none": null}'
    for template in (QWEN, CHATML, TOOLS["deepseek-tools"]):
        assert made in turn(made, tokenizer_with(template))


@pytest.mark.parametrize("system", [[], [{"role": "system", "content": "You repair."}]])
def test_tools_that_a_template_cannot_tell_are_told_in_the_first_message(
    system: list, tokenizer_with: Callable
) -> None:
    tokenizer = tokenizer_with(CHATML)
    chat = [*system, {"role": "user", "content": "Go."}, {"role": "assistant", "content": "ls"}]
    run = run_of(chat, BASH)
    row = mask_run(run, all_of(run), tokenizer)
    text = tokenizer.decode(row.input_ids[: row.spans[0].start].tolist())
    assert '"name": "bash", "description": "Runs a command."' in text
    assert text.count("<tools>") == 1
    assert [message["content"] for message in run.messages] == [m["content"] for m in chat]


WORDS_AND_TEXT = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message.role + '\n' + message.content }}"
    "{% for call in message.tool_calls or [] %}"
    "{{ '<tool_call>' + call.function.name + ' ' + call.function.arguments + '</tool_call>' }}"
    "{% endfor %}{{ '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
"""Words, and calls whose arguments it takes as text."""
IN_THE_WORDS = ('I will print "{}" now', [("ls", "")])
IN_ANOTHER_CALL = ("", [("ls", ""), ("edit", '{"insert": "{}"}')])


def spoken(words: str, calls: list[tuple[str, str]], tokenizer: ChatTokenizer) -> str:
    """The turn of these words and calls."""
    made = [{"type": "function", "function": {"name": n, "arguments": a}} for n, a in calls]
    asked = {"role": "user", "content": "Go."}
    run = run_of([asked, {"role": "assistant", "content": words, "tool_calls": made}])
    return decoded(mask_run(run, all_of(run), tokenizer), tokenizer)[0]


@pytest.mark.parametrize(("words", "calls"), [IN_THE_WORDS, IN_ANOTHER_CALL])
def test_arguments_may_stand_quoted_elsewhere_in_the_turn(
    words: str, calls: list[tuple[str, str]], tokenizer_with: Callable
) -> None:
    text = spoken(words, calls, tokenizer_with(WORDS_AND_TEXT))
    assert words in text
    assert all((arguments or "{}") in text for _, arguments in calls)


@pytest.mark.parametrize(("words", "calls"), [("", [("ls", "")]), IN_THE_WORDS, IN_ANOTHER_CALL])
def test_arguments_that_a_template_quotes_refuse_the_run(
    words: str, calls: list[tuple[str, str]], tokenizer_with: Callable
) -> None:
    text_only = "call.function.arguments + ''"
    quoting = WORDS_AND_TEXT.replace("call.function.arguments +", f"({text_only}) | tojson +")
    with pytest.raises(RunRefusedError, match="leaves out a tool call"):
        spoken(words, calls, tokenizer_with(quoting))
