"""One step is one assistant turn with its thought, its actions and what answered them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srft_assets.trajectories.formats import read_record
from srft_assets.trajectories.model import Action, from_row, rows_of
from srft_assets.trajectories.reader import chat
from srft_assets.trajectories.steps import cut_steps

TEXTS = st.text(max_size=12) | st.sampled_from(
    [
        "Think.\n```bash\nls\n```",
        "```mswea_bash_command\nls\n```",
        "<function=bash>\n<parameter=command>ls</parameter>\n</function>",
        "<returncode>2</returncode>",
        "<execute_bash>ls",
        "```\nedit 1:1\n```",
    ]
)


@st.composite
def conversations(draw):
    """Chats as scaffolds write them: any roles in any order, some turns with tool calls."""
    messages = [{"role": "assistant", "content": draw(TEXTS)}]
    calls = []
    for _ in range(draw(st.integers(0, 8))):
        role = draw(st.sampled_from(["system", "user", "assistant", "assistant", "tool"]))
        message = {"role": role, "content": draw(TEXTS | st.none() | st.just([]))}
        if role == "assistant" and draw(st.booleans()):
            calls.append(f"call_{len(calls)}")
            function = {"name": draw(st.sampled_from(["bash", "edit"])), "arguments": draw(TEXTS)}
            message["tool_calls"] = [{"id": calls[-1], "type": "function", "function": function}]
        if role == "tool" and calls and draw(st.booleans()):
            message["tool_call_id"] = draw(st.sampled_from(calls))
        messages.append(message)
    front = draw(st.lists(st.fixed_dictionaries({"role": st.just("user"), "content": TEXTS})))
    return front + messages


@given(conversations())
def test_there_is_one_step_per_assistant_turn(messages):
    steps = cut_steps(messages)
    turns = [place for place, m in enumerate(messages) if m["role"] == "assistant"]
    assert [step.message_index for step in steps] == turns
    assert [step.step_index for step in steps] == list(range(len(turns)))


@given(conversations())
def test_every_answer_is_in_exactly_one_step(messages):
    first = next(place for place, m in enumerate(messages) if m["role"] == "assistant")
    marked = [
        {**m, "content": f"<{place}>"} if m["role"] in ("user", "tool") else m
        for place, m in enumerate(messages)
    ]
    found = [text for step in cut_steps(marked) for text in step.observations]
    answers = [m["content"] for m in marked[first:] if m["role"] in ("user", "tool")]
    assert sorted(found) == sorted(answers)


@given(conversations())
def test_every_observation_has_its_return_code(messages):
    for step in cut_steps(messages):
        assert len(step.return_codes) == len(step.observations)


@given(conversations())
def test_messages_are_kept_as_they_came(messages):
    run = read_record({"messages": messages}, source="x", row=0)
    assert run.messages == messages


@given(conversations())
def test_runs_survive_the_warehouse(messages):
    record = {"messages": messages, "instance_id": "a__b-1", "resolved": -1}
    run = read_record(record, source="x.jsonl", row=3)
    frame = rows_of([run, run], "batch")
    assert [from_row(row) for row in frame.iter_rows(named=True)] == [run, run]


def test_a_tool_result_goes_to_the_step_that_called():
    def call(call_id):
        function = {"name": "bash", "arguments": '{"command": "ls"}'}
        return {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"id": call_id, "function": function}],
        }

    messages = [
        call("a"),
        call("b"),
        {"role": "tool", "content": "of a", "tool_call_id": "a"},
        {"role": "tool", "content": "of b", "tool_call_id": "b"},
        {"role": "user", "content": "Go on."},
    ]
    assert [step.observations for step in cut_steps(messages)] == [["of a"], ["of b", "Go on."]]


def test_the_task_belongs_to_no_step():
    messages = chat(
        [{"role": "user", "content": "Fix it."}, {"role": "assistant", "content": "Done."}]
    )
    assert cut_steps(messages)[0].observations == []


def test_parts_are_read_as_text():
    parts = [{"type": "text", "text": "one"}, {"type": "image_url", "image_url": {"url": "x"}}]
    messages = [{"role": "assistant", "content": "x"}, {"role": "user", "content": parts}]
    assert cut_steps(messages)[0].observations == ["one\n[image_url]"]


def test_a_fence_in_the_prose_of_a_tool_calling_run_is_no_action():
    function = {"name": "finish", "arguments": "{}"}
    messages = [
        {"role": "assistant", "content": "Run it so:\n```bash\npytest\n```"},
        {"role": "assistant", "content": "", "tool_calls": [{"function": function}]},
    ]
    assert [len(step.actions) for step in cut_steps(messages)] == [0, 1]


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        ('{"command": "ls -la"}', "ls -la"),
        ({"command": "ls -la"}, "ls -la"),
        ("not JSON", "not JSON"),
        ("[1]", "[1]"),
        (None, ""),
        ('{"timeout": 3}', '{"timeout": 3}'),
    ],
)
def test_arguments_of_a_shell(arguments, command):
    function = {"name": "bash", "arguments": arguments}
    messages = [{"role": "assistant", "content": "x", "tool_calls": [{"function": function}]}]
    assert cut_steps(messages)[0].actions == [Action("bash", command)]
