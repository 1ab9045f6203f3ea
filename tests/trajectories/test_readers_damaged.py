"""Sound records of every format, damaged at any place: read or refused, never a crash."""

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from srft_assets.trajectories.formats import READERS, read_record, read_runs
from srft_assets.trajectories.model import RecordError, rows_of
from tests.trajectories import sessions

CALL = {"id": "c", "type": "function", "function": {"name": "bash", "arguments": "{}"}}
TURN = {"role": "assistant", "content": "x", "tool_calls": [CALL]}
RESULT = {"role": "tool", "content": [{"type": "text", "text": "y"}], "tool_call_id": "c"}
RESPONSE = {"id": "r", "model": "m", "choices": [{"message": TURN}]}
METADATA = {"function_name": "bash", "tool_call_id": "c", "model_response": RESPONSE}
EVENTS = [
    {"source": "user", "action": "message", "args": {"content": "Fix."}},
    {"source": "agent", "action": "run", "args": {"command": "ls", "thought": "x"}},
    {"observation": "run", "content": "y", "extras": {"metadata": {"exit_code": 0}}},
    {"source": "agent", "action": "read", "args": {}, "tool_call_metadata": METADATA},
    {"observation": "read", "content": "y", "tool_call_metadata": METADATA},
]
OUTPUT_ITEMS = [
    {"type": "message", "content": [{"type": "output_text", "text": "x"}]},
    {"type": "reasoning", "summary": [{"text": "because"}]},
    {"type": "function_call", "call_id": "c", "name": "bash", "arguments": "{}"},
]
STEP = {"action": "ls", "observation": "y", "response": "x"}
REPLAY = {"problem_statement": {"id": "a"}, "agent": {"model": {"name": "m"}}}
SOUND = [
    {"history": [TURN, RESULT], "trajectory": [STEP, STEP], "info": {}, "replay_config": REPLAY},
    {"trajectory": [STEP], "info": {"exit_status": "submitted", "submission": ""}},
    {
        "messages": [TURN],
        "info": {"config": {"model": {}}},
        "trajectory_format": "mini-swe-agent-1",
    },
    {
        "messages": [
            {"object": "response", "output": OUTPUT_ITEMS},
            {"type": "function_call_output", "call_id": "c", "output": "y", "extra": {}},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "y"}]},
            {"role": "exit", "content": "", "extra": {"exit_status": "Submitted"}},
        ],
        "info": {"exit_status": "Submitted", "submission": ""},
        "trajectory_format": "mini-swe-agent-1.1",
    },
    {"messages": [RESULT], "response": RESPONSE, "kwargs": {"tools": [CALL]}},
    {"history": EVENTS, "issue": {"owner": "o", "repo": "r", "number": 1}, "test_result": {}},
    EVENTS,
    {"trajectory": [{"role": "ai", "text": "x"}], "target": True, "instance_id": "a"},
    {"messages": [TURN], "run_id": "m_maxiter_30", "test_result": {"git_patch": ""}},
    {"trajectory": [TURN, RESULT], "trajectory_id": "t", "resolved": 1, "tools": [CALL]},
    {"messages": [TURN], "verified": True, "traj_id": "t", "patch": "", "agent": "openhands"},
    [TURN, RESULT],
    *(sessions.CLAUDE, sessions.CODEX, sessions.GEMINI, sessions.SDK, {"history": sessions.SDK}),
    *(sessions.RESPONSES, sessions.OPENCODE, sessions.ATIF, sessions.INSPECT, sessions.ANTHROPIC),
    *(sessions.PROMPTED, sessions.SHAREGPT, sessions.R2E, sessions.ADP, sessions.LANGCHAIN),
]
JUNK = st.sampled_from([None, True, -1, 2.5, "", "x", [], [1], {}, {"role": "user"}, [[]], "[1]"])


@st.composite
def damaged(draw):
    """A sound record with one value replaced or removed, at any depth."""
    record = node = copy.deepcopy(draw(st.sampled_from(SOUND)))
    while True:
        key = draw(st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node))))
        child = node[key]
        if isinstance(child, dict | list) and child and draw(st.integers(0, 3)):
            node = child
            continue
        if draw(st.booleans()):
            node[key] = draw(JUNK)
        else:
            del node[key]
        return record


@pytest.mark.parametrize("record", SOUND)
def test_sound_records_are_read(record):
    assert read_record(record, source="x.traj.json", row=0).steps


@settings(max_examples=1500)
@given(record=damaged(), format_name=st.sampled_from([None, None, *READERS]))
def test_damaged_records_are_refused_and_never_crash(record, format_name):
    try:
        runs = read_runs(record, source="x.json", row=0, format=format_name)
    except RecordError as refused:
        assert str(refused).isprintable()
    else:
        assert all(run.steps or run.exit_status for run in runs)
        assert rows_of(runs, "batch").height == len(runs) > 0
