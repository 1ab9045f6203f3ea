"""SWE-agent `.traj`, both generations. Step counts were counted by hand in the files."""

import pytest

from srft_assets.trajectories.formats import read_record
from srft_assets.trajectories.model import RecordError

FIXTURES = "swe-agent-fixtures"
DEMOS = f"{FIXTURES}/trajectories/demonstrations"


def test_text_protocol_of_0x(read_run):
    run = read_run(f"{FIXTURES}/**/swe-agent__test-repo-i1.traj")
    assert (run.format, run.scaffold) == ("swe-agent-0.x", "swe-agent")
    assert run.instance_id == "swe-agent__test-repo-i1"
    assert [step.actions[0].tool for step in run.steps] == [
        "find_file",
        "open",
        "edit",
        "bash",
        "submit",
    ]
    assert run.steps[0].actions[0].command == 'find_file "missing_colon.py"'
    assert run.exit_status == "submitted"
    assert run.submission.startswith("\ndiff --git")


def test_the_demonstration_is_context_and_marked(read_run):
    run = read_run(f"{FIXTURES}/**/swe-agent__test-repo-i1.traj")
    assert [m["role"] for m in run.messages[:4]] == ["system", "user", "user", "assistant"]
    assert [m.get("is_demo", False) for m in run.messages[:4]] == [False, True, False, False]


def test_assistant_turns_of_a_demonstration_are_not_steps():
    demonstration = [
        {"role": "user", "content": "ISSUE: other", "is_demo": True},
        {"role": "assistant", "content": "```\nls\n```", "is_demo": True},
        {"role": "user", "content": "a.py", "is_demo": True},
    ]
    run = [
        {"role": "user", "content": "ISSUE: mine"},
        {"role": "assistant", "content": "Look.\n```\nls -F\n```"},
        {"role": "user", "content": "b.py"},
    ]
    record = {"history": demonstration + run, "trajectory": [], "info": {}}
    read = read_record(record, source="a.traj", row=0)
    assert [(s.message_index, s.observations) for s in read.steps] == [(4, ["b.py"])]
    assert len(read.messages) == 6


def test_tool_calls_of_1x_drop_the_repeated_messages(read_run, parse):
    pattern = "swe-smith-fixtures/**/pandas-dev__pandas.95280573.pr_53652.traj"
    run = read_run(pattern)
    assert (run.format, run.model) == ("swe-agent-1.x", "claude-3-7-sonnet-20250219")
    assert run.instance_id == "pandas-dev__pandas.95280573.pr_53652"
    assert len(run.steps) == 37
    assert len(run.messages) == 76
    assert all(len(step.observations) == 1 for step in run.steps)
    assert run.messages[2]["tool_calls"] == parse(pattern)["history"][2]["tool_calls"]
    assert run.messages[3]["tool_call_id"] == "toolu_01W2RNXycbJxFZHnSEFjyXgT"
    assert run.messages[3]["content"] == parse(pattern)["history"][3]["content"]


def test_actions_are_those_that_the_scaffold_executed(runs_root, parse):
    paths = sorted(runs_root.glob(f"{DEMOS}/**/*.traj"))
    assert paths
    for path in paths:
        record = parse(str(path.relative_to(runs_root)))
        turns = [m for m in record["history"] if m["role"] == "assistant"]
        run = read_record(record, source=path.name, row=0)
        for turn, step in zip(turns, run.steps, strict=True):
            if not turn.get("tool_calls"):
                assert [a.command.strip() for a in step.actions] == [turn["action"].strip()]


def test_the_submitting_turn_that_early_1x_left_out_of_the_history(read_run):
    run = read_run(f"{FIXTURES}/**/6e44b9__sweagenttestrepo-1c2844.traj")
    assert len(run.steps) == 5
    assert [a.tool for a in run.steps[-1].actions] == ["submit"]
    assert run.steps[-1].observations[0].lstrip().startswith("diff --git")


def test_history_alone_is_enough(read_run):
    run = read_run(f"{DEMOS}/function_calling_simple.traj")
    assert len(run.steps) == 5
    assert run.steps[3].actions[0].command == "python tests/missing_colon.py"
    assert run.submission is None


def test_trajectory_stands_in_for_an_absent_history(parse):
    record = parse(f"{FIXTURES}/**/pydicom__pydicom-1458.traj")
    record = {key: value for key, value in record.items() if key != "history"}
    run = read_record(record, source="pydicom__pydicom-1458.traj", row=0)
    assert len(run.steps) == 12
    assert run.steps[0].actions[0].command == "create reproduce_bug.py"
    assert "reproduce_bug.py" in run.steps[0].observations[0]


def test_messages_of_the_last_step_stand_in_for_an_absent_history(parse):
    record = parse("swe-smith-fixtures/**/pydantic__pydantic.acb0f10f.pr_8316.traj")
    whole = read_record(record, source="a.traj", row=0)
    del record["history"]
    run = read_record(record, source="a.traj", row=0)
    assert len(run.steps) == 22
    assert run.messages == whole.messages


def test_what_the_scaffold_says_in_the_models_name_is_no_step():
    history = [
        {"role": "user", "content": "ISSUE"},
        {"role": "assistant", "content": "Look.\n```\nls\n```"},
        {"role": "user", "content": "a.py"},
        {"role": "assistant", "content": "Exit due to cost limit", "action": "exit_cost"},
    ]
    record = {"history": history, "trajectory": [], "info": {"exit_status": "exit_cost"}}
    run = read_record(record, source="a.traj", row=0)
    assert len(run.steps) == 1
    assert run.exit_status == "exit_cost"


@pytest.mark.parametrize(
    "words",
    [
        "Exit due to cost limit",
        "Exit due to repeated format/blocklist/bash syntax errors",
        "Exit due to retry error: RetryError[<Future at 0x7f state=finished>]",
        "Exit due to environment error: no answer\nwithin 60 s",
        "Exiting due to forfeit",
    ],
)
@pytest.mark.parametrize("told", [0, 1, 2])
def test_nor_is_it_where_an_observation_follows(words, told):
    """As 1.x ends a run; `told`: how much of that the history holds, `trajectory` has it all."""
    look = "Look.\n```\nls\n```"
    history = [
        {"role": "user", "content": "ISSUE", "message_type": "observation"},
        {"role": "assistant", "content": look, "message_type": "action"},
        {"role": "user", "content": "a.py", "message_type": "observation"},
    ]
    ending = [
        {"role": "assistant", "content": words, "message_type": "action"},
        {"role": "user", "content": "Exited (autosubmitted)", "message_type": "observation"},
    ]
    steps = [
        {"action": "ls", "response": look, "observation": "a.py"},
        {"action": "", "response": words, "observation": "Exited (autosubmitted)"},
    ]
    record = {"history": history + ending[:told], "trajectory": steps, "info": {}}
    run = read_record(record, source="a.traj", row=0)
    assert [message["content"] for message in run.messages] == ["ISSUE", look, "a.py"]
    assert [step.observations for step in run.steps] == [["a.py"]]


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ({"history": "gone"}, "field 'history' is text, but not JSON"),
        ({"info": []}, "field 'info' is a list; expected an object"),
        ({"info": {"submission": 3}}, "field 'submission' is a number; expected text"),
        ({"history": [{"role": "judge", "content": ""}]}, "unknown role 'judge' in 'history[0]'"),
        ({"history": [{"role": "user", "content": 4}]}, "field 'history[0].content' is a number"),
    ],
)
def test_bad_fields_are_named(parse, broken, reason):
    record = parse(f"{FIXTURES}/**/pydicom__pydicom-1458.traj") | broken
    with pytest.raises(RecordError) as refused:
        read_record(record, source="a.traj", row=0)
    assert reason in str(refused.value)
