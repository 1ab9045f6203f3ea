"""TRL, `datasets` and OpenAI's lines give back what was verified, calls and tools as they were."""

import json
from typing import Any

import pytest

from srft_assets.exports import FormatName
from srft_assets.tokens.token_labels import IGNORED, MaskedRow
from tests.exports.chats import changed, lines
from tests.exports.conftest import TOOLS, Platform, text_run, tool_run
from tests.exports.readers import BY_FORMAT, read_all
from tests.exports.test_axolotl_labels import LAST_TURN
from tests.exports.test_token_formats import records
from tests.tokens.templates import QWEN
from tests.tokens.tool_templates import LLAMA

EDIT = {"name": "edit", "description": "Edit.", "parameters": {"properties": {"path": {}}}}
TWO_TOOLS: list[dict[str, Any]] = [*TOOLS, {"type": "function", "function": EDIT}]


def two_tools(platform: Platform) -> Platform:
    """A run that calls two tools with other arguments each."""
    run = tool_run("a", tools=TWO_TOOLS)
    call = {"id": "call_1", "type": "function"}
    function = {"name": "edit", "arguments": '{"path": "a.py"}'}
    platform.add("one", changed(run, 3, tool_calls=[{**call, "function": function}]))
    return platform


@pytest.mark.parametrize("template", [QWEN, LLAMA, LAST_TURN])
def test_every_reader_makes_the_verified_labels(platform_with, tmp_path, template):
    platform = platform_with(template)
    platform.add("one", tool_run("a"), text_run("b"), tool_run("c", tools=TWO_TOOLS))
    for form in BY_FORMAT:
        platform.export(form, tmp_path / form)
    verified = [loss(r.input_ids.tolist(), r.labels().tolist()) for r in masked(platform)]
    outs = {form: tmp_path / form for form in BY_FORMAT}
    for form, readings in read_all(outs, platform.tokenizer).items():
        for rows in readings:
            read = [loss(*row) for row in rows]
            assert all(row in read for row in verified), form
            assert form == FormatName.OPENAI or len(read) == len(verified)


def masked(platform: Platform) -> list[MaskedRow]:
    return [MaskedRow.from_row(row) for row in platform.rows("one")]


def loss(ids: list[int], labels: list[int]) -> tuple[list[int], list[int]]:
    """What is trained, and all that stands before it."""
    last = max(at for at, label in enumerate(labels) if label != IGNORED) + 1
    return ids[:last], labels[:last]


@pytest.mark.parametrize("form", ["messages", "axolotl-messages", "openai"])
def test_datasets_gives_the_arguments_as_they_were(platform, tmp_path, form):
    from datasets import load_dataset

    two_tools(platform).export(form, tmp_path / "set", "one")
    cache = str(tmp_path / "cache")
    (row,) = load_dataset(str(tmp_path / "set"), split="train", cache_dir=cache)
    calls = [call for message in row["messages"] for call in message.get("tool_calls") or []]
    said = [json.loads(call["function"]["arguments"]) for call in calls]
    assert said == [{"command": "ls"}, {"path": "a.py"}, {"command": "git restore x"}]


def test_a_schema_has_no_parameters_of_other_tools(platform, tmp_path):
    for form, read in (("messages", records), ("axolotl-messages", records), ("openai", lines)):
        two_tools(platform).export(form, tmp_path / form, "one")
        (record,) = read(tmp_path / form)
        tools = record["tools"]
        functions = [t["function"] for t in (json.loads(tools) if form == "messages" else tools)]
        schemas = [f["parameters"] for f in functions]
        schemas = [json.loads(s) if isinstance(s, str) else s for s in schemas]
        assert schemas == [tool["function"]["parameters"] for tool in TWO_TOOLS], form


@pytest.mark.parametrize("stated", ["", "null", None])
@pytest.mark.parametrize("form", ["messages", "openai"])
def test_a_call_without_arguments_has_an_empty_object(platform, tmp_path, form, stated):
    function = {"name": "bash", "arguments": stated}
    call = {"id": "call_0", "type": "function", "function": function}
    platform.add("one", changed(tool_run("a"), 1, tool_calls=[call]))
    platform.export(form, tmp_path / "set", "one")
    (record,) = (lines if form == "openai" else records)(tmp_path / "set")
    assert record["messages"][1]["tool_calls"][0]["function"]["arguments"] == "{}"
