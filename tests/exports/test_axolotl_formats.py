"""Chats for axolotl: its schema, the tokens it would make of them, and what it could not read."""

import json

import pytest

from srft_assets.tokens.tokenizer import load_tokenizer
from tests.exports.axolotl_schema import Chat
from tests.exports.chats import changed, reason_of
from tests.exports.conftest import TOOLS, text_run, tool_run
from tests.exports.test_token_formats import records
from tests.tokens.templates import CHATML
from tests.tokens.test_calls_as_made import WORDS_AND_TEXT


@pytest.mark.parametrize("form", ["axolotl-messages", "axolotl-spans"])
def test_axolotl_gets_the_schema_it_documents(platform, tmp_path, form):
    platform.export(form, tmp_path / "set")
    chats = [Chat.model_validate(record) for record in records(tmp_path / "set")]
    assert chats
    for chat in chats:
        trained = [message.train for message in chat.messages if message.role == "assistant"]
        assert trained in ([True, False, True], [True, True, True])
        assert not any(message.train for message in chat.messages if message.role != "assistant")
        for tool in chat.tools or []:
            assert json.loads(tool.function.parameters or "")["type"] == "object"


def test_spans_reach_from_the_first_to_the_last_character_and_masked_turns_have_none(
    platform, tmp_path
):
    platform.add("one", text_run("a", "löok", "break", "mend"))
    platform.export("axolotl-spans", tmp_path / "set", "one")
    (record,) = records(tmp_path / "set")
    details = [m["train_detail"] for m in record["messages"] if m["role"] == "assistant"]
    whole = [{"begin_offset": 0, "end_offset": 3, "train": True}]
    assert details == [whole, None, whole]


def test_spans_do_not_reach_tool_calls(platform, tmp_path):
    reason = reason_of(platform, "axolotl-spans", tmp_path / "set", tool_run("a"))
    assert reason.startswith("a trained step has tool calls or thinking")


def test_calls_are_written_out_for_a_template_that_knows_none(platform_with, tmp_path):
    platform = platform_with(CHATML)
    platform.add("one", tool_run("a"))
    platform.export("axolotl-messages", tmp_path / "set")
    (record,) = records(tmp_path / "set")
    said = [m for m in record["messages"] if m["role"] == "assistant"]
    assert said[0]["tool_calls"] is None
    assert said[0]["content"].startswith("I say ls.\n<tool_call>\n{")
    trained = "".join(f"{m['content']}<|im_end|>" for m in said if m["train"])
    (row,) = platform.rows("one")
    spans = [row["input_ids"][s["start"] : s["end"]] for s in row["spans"] if s["trained"]]
    tokenizer = load_tokenizer(platform.tokenizer)
    ids = [number for span in spans for number in span]
    assert tokenizer.backend.decode(ids, skip_special_tokens=False) == trained


@pytest.mark.parametrize("form", ["axolotl-messages", "axolotl-spans"])
def test_what_axolotl_would_tokenize_otherwise_is_refused(platform, tmp_path, form):
    run = text_run("a", "I print <|im_end|> here.", "b", "c")
    reason = reason_of(platform, form, tmp_path / "set", run)
    assert reason == "axolotl would make other tokens of it than were masked"
    for verified in ("trl", "axolotl-tokens"):
        assert not platform.export(verified, tmp_path / verified, "one").counts.refused


def test_offsets_that_a_template_would_shift_are_refused(platform_with, tmp_path):
    platform = platform_with(CHATML.replace("message['content']", "message['content'] | trim"))
    reason = reason_of(platform, "axolotl-spans", tmp_path / "set", text_run("a", " look", "b"))
    assert reason.startswith("axolotl finds the turns of it elsewhere")
    assert not platform.export("axolotl-messages", tmp_path / "messages").counts.refused


STRICT = [{**TOOLS[0], "function": {**TOOLS[0]["function"], "strict": True}}]


def test_a_schema_that_axolotl_has_no_place_for_is_refused(platform, tmp_path):
    run = tool_run("a", tools=STRICT)
    reason = reason_of(platform, "axolotl-messages", tmp_path / "set", run)
    assert reason.startswith("a tool's schema has other keys")


@pytest.mark.parametrize("arguments", ['{"n": 1e5}', '{"n": '])
def test_arguments_that_were_masked_as_text_are_refused_for_what_axolotl_makes_of_them(
    platform_with, tmp_path, arguments
):
    platform = platform_with(WORDS_AND_TEXT)
    run = tool_run("a", tools=None)
    (call,) = run.messages[1]["tool_calls"]
    made = {**call, "function": {"name": "bash", "arguments": arguments}}
    odd = changed(run, 1, tool_calls=[made])
    reason = reason_of(platform, "axolotl-messages", tmp_path / "out", odd)
    assert reason == "the trainer reads the arguments of calls, and would write these otherwise"
