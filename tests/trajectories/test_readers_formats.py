"""Detection over every real file, refusals, and the identity of runs."""

import copy
import re
import time

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from srft_assets.errors import UsageError
from srft_assets.trajectories.errors import RecordError
from srft_assets.trajectories.formats import READERS, detect_format, read_record
from srft_assets.trajectories.frame import columns_of
from srft_assets.trajectories.identity import trajectory_id
from srft_assets.trajectories.schema import from_row

NO_RUNS = re.compile(
    r"(report|manifest|preds|results|example_model_output|swegym_verified_instances|sample_std"
    r"|pandas-dev__pandas\.95280573\.pr_53652|all_preds)\.jsonl?$"
)


def records(path):
    """The records of a file: one run, or the rows of a list or of a JSONL file."""
    if path.suffix == ".jsonl":
        return [orjson.loads(line) for line in path.read_bytes().splitlines()]
    value = orjson.loads(path.read_bytes())
    if not isinstance(value, list):
        return [value]
    try:
        detect_format(value, path.name)
    except RecordError:
        return value
    return [value]


def test_every_real_file_is_read_or_refused_with_a_reason(runs_root):
    read = refused = 0
    for path in sorted(runs_root.rglob("*")):
        if path.suffix not in (".json", ".jsonl", ".traj"):
            continue
        name = str(path.relative_to(runs_root))
        for row, record in enumerate(records(path)):
            if NO_RUNS.search(name):
                with pytest.raises(RecordError, match=r"run|row|record"):
                    read_record(record, source=name, row=row, hint=name)
                refused += 1
                continue
            run = read_record(record, source=name, row=row, hint=name)
            assert [step.step_index for step in run.steps] == list(range(len(run.steps)))
            assert run.instance_id != "unknown"
            read += 1
    assert (read, refused > 100) == (142, True)


def test_rows_survive_the_warehouse(runs_root):
    paths = [
        *sorted(runs_root.glob("swe-smith-fixtures/**/*.traj")),
        *sorted(runs_root.glob("openhands-v0.15/completions/d*.json"))[:3],
        *sorted(runs_root.glob("mini-swe-agent-v1/trajs/*.json"))[:3],
    ]
    runs = [
        read_record(orjson.loads(path.read_bytes()), source=path.name, row=0, hint=path.name)
        for path in paths
    ]
    frame = columns_of(runs, "real")
    assert [from_row(row) for row in frame.iter_rows(named=True)] == runs


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({}, "the record is an empty object"),
        ([], "the record is an empty list"),
        (3, "the record is a number"),
        ("text", "the record is text"),
        (["a"], "a list whose first entry is text"),
        ({"a": 1}, "unknown structure: an object with the fields 'a'"),
        ({"messages": "hello"}, "looks like a chat, but field 'messages' is text"),
        ({"messages": {"role": "user"}}, "field 'messages' is an object; expected a list"),
        ({"messages": [1]}, "looks like a chat, but 'messages[0]' is a number"),
        ({"history": 3.5, "info": {}}, "looks like SWE-agent or OpenHands"),
        ({"instance_id": "a", "model_patch": ""}, "a prediction"),
        ({"problem_statement": "", "base_commit": ""}, "is a task"),
        ({"\x1b[31mred\n": 1}, r"\x1b[31mred\n"),
    ],
)
def test_what_is_no_run_is_refused_for_what_it_is(record, reason):
    with pytest.raises(RecordError) as refused:
        read_record(record, source="x", row=0, hint="x.json")
    assert reason in str(refused.value)
    assert str(refused.value).isprintable()


def test_format_overrides_detection(parse):
    record = parse("mini-swe-agent-v1/trajs/astropy__astropy-13977.traj.json")
    run = read_record(record, source="x", row=0, hint="x", format="messages")
    assert (run.format, run.scaffold, len(run.steps)) == ("messages", "unknown", 28)


def test_an_unknown_format_names_those_that_exist():
    with pytest.raises(UsageError, match=r"unknown format 'swe'.*swe-agent-1.x"):
        read_record({}, source="x", row=0, hint="x", format="swe")


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
    {"history": [EVENTS[:2], EVENTS[2:4]], "metadata": {"llm_config": {"model": "m"}}},
    EVENTS,
    {"trajectory": [{"role": "ai", "text": "x"}], "target": True, "instance_id": "a"},
    {"messages": [TURN], "run_id": "m_maxiter_30", "test_result": {"git_patch": ""}},
    {"trajectory": [TURN, RESULT], "trajectory_id": "t", "resolved": 1, "tools": [CALL]},
    {"messages": [TURN], "verified": True, "traj_id": "t", "patch": "", "agent": "openhands"},
    [TURN, RESULT],
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
    assert read_record(record, source="x", row=0, hint="x.traj.json").steps


@settings(max_examples=1500)
@given(record=damaged(), format_name=st.sampled_from([None, None, *READERS]))
def test_damaged_records_are_refused_and_never_crash(record, format_name):
    try:
        run = read_record(record, source="x", row=0, hint="x.json", format=format_name)
    except RecordError as refused:
        assert str(refused).isprintable()
    else:
        assert run.steps
        assert columns_of([run], "batch").height == 1


messages = st.lists(
    st.fixed_dictionaries(
        {
            "role": st.sampled_from(["system", "user", "assistant", "tool"]),
            "content": st.none() | st.text(max_size=20),
        }
    ),
    min_size=1,
    max_size=8,
)


@given(messages)
def test_the_id_is_stable_under_reserialisation(chat):
    again = orjson.loads(orjson.dumps([dict(reversed(m.items())) for m in chat]))
    assert trajectory_id("a__b-1", None, chat) == trajectory_id("a__b-1", None, again)


@given(st.text(), messages)
def test_the_id_is_safe_as_a_file_name(instance_id, chat):
    made = trajectory_id(instance_id, None, chat)
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,100}\.[0-9a-f]{12}", made)


def test_a_stated_id_counts_with_its_instance():
    chat = [{"role": "assistant", "content": "x"}]
    first = trajectory_id("a", "run_1", chat, "openhands")
    assert first == trajectory_id("a", "run_1", [], "openhands")
    assert first != trajectory_id("b", "run_1", chat, "openhands")
    assert first != trajectory_id("a", "run_2", chat, "openhands")


def test_text_that_is_not_unicode_is_refused():
    chat = [{"role": "assistant", "content": "\ud800"}]
    with pytest.raises(RecordError, match="cannot be written as JSON"):
        read_record({"messages": chat}, source="x", row=0, hint="x")


def test_a_huge_row_costs_linear_time():
    size = 4_000_000
    texts = ["```bash\n" * (size // 8), "<function=a>" * (size // 12), "<parameter=" * 100_000]
    texts += ["```\n" * (size // 4), "<execute_bash>" * (size // 14), "<command>" * (size // 9)]
    chat = [{"role": "assistant", "content": text} for text in texts]
    chat += [{"role": "user", "content": "<returncode>" * (size // 12)}]
    chat += [{"role": "user", "content": "[Command finished with exit code " * 100_000}]
    for message in chat:
        began = time.perf_counter()
        pair = [{"role": "assistant", "content": ""}, message]
        read_record({"messages": pair}, source="x", row=0, hint="x")
        assert time.perf_counter() - began < 10
