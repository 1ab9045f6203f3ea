"""OpenHands: completions, flat events. Step counts were counted by hand in the files."""

import pytest

from srft_assets.trajectories.formats import read_record
from srft_assets.trajectories.model import RecordError

COMPLETIONS = "openhands-v0.15/completions"
EVENTS = "openhands-fixtures/tests/runtime/trajs"
OUTPUT = "openhands-fixtures/tests/unit/resolver/mock_output/output.jsonl"


def test_completion_holds_the_whole_run(read_run, parse):
    run = read_run(f"{COMPLETIONS}/astropy__astropy-12907.json")
    record = parse(f"{COMPLETIONS}/astropy__astropy-12907.json")
    assert (run.format, run.instance_id) == ("openhands-completion", "astropy__astropy-12907")
    assert run.model == "litellm_proxy/claude-3-5-sonnet-20241022"
    assert len(run.steps) == 10
    assert [tool["function"]["name"] for tool in run.tools] == [
        "execute_bash",
        "finish",
        "str_replace_editor",
    ]
    assert run.steps[8].actions == []
    assert run.steps[9].actions[0].tool == "finish"
    assert run.messages[:-1] == [
        {"role": m["role"], "content": m.get("content")}
        | {key: m[key] for key in ("tool_calls", "tool_call_id", "name") if key in m}
        for m in record["messages"]
    ]


def test_completion_return_codes_come_from_the_text(read_run):
    run = read_run(f"{COMPLETIONS}/astropy__astropy-12907.json")
    assert run.steps[2].actions[0].command == "python /workspace/reproduce_separability.py"
    assert run.steps[2].return_codes == [0]
    assert run.steps[1].return_codes == [None]


def test_all_completions_have_as_many_messages_as_the_manifest_says(parse):
    manifest = parse("openhands-v0.15/manifest.json")
    assert len(manifest) == 25
    for entry in manifest:
        name = f"{COMPLETIONS}/{entry['instance_id']}.json"
        run = read_record(parse(name), source=name, row=0)
        assert len(run.messages) == entry["messages"]
        turns = [m for m in run.messages if m["role"] == "assistant"]
        assert len(run.steps) == len(turns)


def test_a_timed_file_is_named_after_its_folder(parse):
    record = parse(f"{COMPLETIONS}/django__django-10973.json")
    hint = "llm_completions/django__django-10973/litellm_proxy__claude-1733343951.769037.json"
    run = read_record(record, source=hint, row=0)
    assert run.instance_id == "django__django-10973"


def logged(before: str, **said: object) -> dict:
    chat = [{"role": "user", "content": "Mend it."}, {"role": "assistant", "content": before}]
    chat.append({"role": "user", "content": "EXECUTION RESULT of [terminal]: x = 1"})
    message = {"role": "assistant", "content": "", **said}
    return {"messages": chat, "response": {"model": "m", "choices": [{"message": message}]}}


CALL = {"id": "c", "type": "function", "function": {"name": "finish", "arguments": "{}"}}
IN_TEXT = "I look.\n\n<function=terminal>\n<parameter=command>cat a.py</parameter>\n</function>"


def test_calls_in_text_before_a_native_answer_are_refused_by_name():
    mixed = logged(IN_TEXT, tool_calls=[CALL])
    with pytest.raises(RecordError, match="model without native calls"):
        read_record(mixed, source="a.json", row=0)
    whole = read_record(logged(IN_TEXT, content=IN_TEXT), source="a.json", row=0)
    assert [one.actions[0].command for one in whole.steps] == ["cat a.py", "cat a.py"]


@pytest.mark.parametrize("folder", ["", "logs/", "a/logs/"])
def test_a_call_in_a_flat_folder_names_no_task(folder):
    run = read_record(logged("I look."), source=f"{folder}m-1700000001.100.json", row=0)
    assert run.instance_id == "unknown"


@pytest.mark.parametrize(
    ("name", "steps"),
    [("basic", 2), ("basic_gui_mode", 5), ("basic_interactions", 3), ("wrong_initial_state", 4)],
)
def test_bare_event_lists(read_run, name, steps):
    run = read_run(f"{EVENTS}/{name}.json")
    assert (run.format, run.instance_id, len(run.steps)) == ("openhands-events", name, steps)


def test_events_with_function_calling_give_the_models_own_messages(read_run, parse):
    run = read_run(f"{EVENTS}/wrong_initial_state.json")
    response = parse(f"{EVENTS}/wrong_initial_state.json")[3]["tool_call_metadata"]
    message = response["model_response"]["choices"][0]["message"]
    assert run.messages[3]["tool_calls"] == message["tool_calls"]
    assert run.messages[4]["tool_call_id"] == message["tool_calls"][0]["id"]
    assert run.steps[1].actions[0].command == "mv /workspace/game_2048.py /workspace/2048.py"
    assert run.steps[1].return_codes == [0]
    assert "[The command completed with exit code 0.]" in run.steps[1].observations[0]
    assert run.model == "claude-3-5-sonnet-20241022"


def test_a_command_that_has_not_ended_has_no_return_code(read_run):
    step = read_run(f"{EVENTS}/basic_gui_mode.json").steps[3]
    assert step.actions[0].command.endswith("python3 -m http.server 8000")
    assert step.return_codes == [None]


def test_one_response_with_two_calls_is_one_step(parse):
    events = parse(f"{EVENTS}/wrong_initial_state.json")
    response = events[1]["tool_call_metadata"]["model_response"]
    for event in events[3:5]:
        event["tool_call_metadata"]["model_response"] = response
    calls = response["choices"][0]["message"]["tool_calls"]
    second = events[3]["tool_call_metadata"]["tool_call_id"]
    calls.append({**calls[0], "id": second})
    run = read_record(events, source="a.json", row=0)
    assert len(run.steps) == 3
    assert len(run.steps[0].actions) == 2
    assert len(run.steps[0].observations) == 2


@pytest.mark.parametrize("stated", [{"id": "always-the-same"}, {"id": ""}, {"id": None}, {}])
def test_responses_are_told_apart_where_their_ids_are_not(stated):
    history = [{"source": "user", "action": "message", "args": {"content": "Fix it."}}]
    for turn in range(3):
        function = {"name": "execute_bash", "arguments": '{"command": "ls"}'}
        names = [f"{turn}-a", f"{turn}-b"]
        calls = [{"id": name, "type": "function", "function": function} for name in names]
        choice = {"message": {"role": "assistant", "content": None, "tool_calls": calls}}
        for name in names:
            call = {"tool_call_id": name, "function_name": "execute_bash"}
            response = {**stated, "choices": [choice]}
            asked = {**call, "model_response": response}
            history += [
                {"action": "run", "source": "agent", "args": {}, "tool_call_metadata": asked},
                {"observation": "run", "content": name, "tool_call_metadata": call},
            ]
    row = {"instance_id": "a", "history": history}
    run = read_record(row, source="output.jsonl", row=0)
    assert [step.observations for step in run.steps] == [[f"{n}-a", f"{n}-b"] for n in range(3)]


def test_output_rows_without_function_calling(read_run):
    run = read_run(OUTPUT, row=0)
    assert (run.format, run.instance_id) == ("openhands-events", "neubig__pr-viewer-5")
    assert [[a.tool for a in step.actions] for step in run.steps] == [
        ["execute_bash"],
        ["execute_ipython"],
        ["execute_bash"],
        [],
    ]
    assert run.steps[0].actions[0].command == "touch LICENSE"
    assert run.steps[0].return_codes == [0]
    assert run.steps[0].observations[0].startswith("OBSERVATION:\n")
    assert run.submission.startswith("diff --git a/LICENSE")
    assert run.resolved is None  # `success` is the model's own opinion


def test_output_row_of_22_steps(read_run):
    assert len(read_run(OUTPUT, row=1).steps) == 22


TASK = {"source": "user", "action": "message", "args": {"content": "Fix the bug."}}
RUN = {
    "source": "agent",
    "action": "run",
    "args": {"command": "pytest -q", "thought": "Run the tests."},
}
FAILED = {
    "source": "agent",
    "observation": "run",
    "content": "1 failed",
    "extras": {"command_id": 4, "command": "pytest -q", "exit_code": 1},
}
FINISH = {"source": "agent", "action": "finish", "args": {"outputs": {}, "thought": "Done."}}
NOTHING = {"observation": "null", "content": "", "extras": {}}


def row_of(history, **more):
    return {"instance_id": "a__b-1", "history": history, "git_patch": "", **more}


def test_flat_rows_of_the_text_protocol():
    row = row_of(
        [TASK, NOTHING, RUN, FAILED, FINISH, NOTHING],
        metadata={"llm_config": {"model": "gpt-4o"}},
        report={"resolved": False},
        test_result={"git_patch": "diff --git a/x b/x"},
    )
    run = read_record(row, source="output.jsonl", row=0)
    assert (run.format, run.model, run.resolved) == ("openhands-events", "gpt-4o", False)
    assert run.submission == "diff --git a/x b/x"
    assert [m["content"] for m in run.messages] == [
        "Fix the bug.",
        "Run the tests.\n<execute_bash>\npytest -q\n</execute_bash>",
        "OBSERVATION:\n1 failed\n[Command 4 finished with exit code 1]",
        "Done.",
    ]
    assert [step.return_codes for step in run.steps] == [[1], []]


@pytest.mark.parametrize(
    ("history", "reason"),
    [
        ([{"action": "message", "args": {"content": "x"}}], "no assistant turn"),
        ([{"action": "run", "args": []}], "field 'args' is a list"),
        ([{"action": "run", "args": {}}, 3], "field 'history[1]' is a number"),
        ([{"action": 3}], "neither an action nor an observation"),
        ([{"observation": "run", "content": 3}], "field 'history[].content' is a number"),
        ([{"kind": "MessageEvent"}], "MessageEvent whose 'llm_message' has no role"),
        ([[TASK, NOTHING], [RUN, FAILED]], "OpenHands before 0.9"),
    ],
)
def test_bad_events_are_named(history, reason):
    with pytest.raises(RecordError) as refused:
        read_record(row_of(history), source="output.jsonl", row=0)
    assert reason in str(refused.value)
