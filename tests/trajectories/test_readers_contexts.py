"""A run is split where its context was rewritten on the way, and what was copied from another run
is context: training context = inference context.
"""

import copy
import json

import pytest

from srft_assets.trajectories.formats import read_runs
from srft_assets.trajectories.model import RecordError
from tests.trajectories import sessions as s


def read(record, source="x.json"):
    return read_runs(record, source=source)


def only(record, source="x.json"):
    (run,) = read(record, source)
    return run


def contents(run):
    return [message["content"] for message in run.messages]


def thoughts(run):
    return [step.thought for step in run.steps]


def test_claude_code_splits_where_the_context_was_compacted():
    lines = [
        *s.CLAUDE,
        {"type": "system", "subtype": "compact_boundary", "sessionId": "cc-1", "uuid": "b"},
        s.claude_told("w1", "b", "So far: looked.", isCompactSummary=True),
        s.claude_turn("w2", "w1", "m3", s.said("I go on.")),
    ]
    first, second = read(lines)
    assert (first.stated_id, second.stated_id) == ("cc-1", "cc-1#2")
    assert first.messages == only(s.CLAUDE).messages
    assert [m["content"] for m in second.messages] == ["So far: looked.", "I go on."]


def test_claude_code_splits_where_the_user_went_back():
    lines = [
        *s.CLAUDE,
        s.claude_told("w1", "u7", "Rather stop."),
        s.claude_turn("w2", "w1", "m3", s.said("Stopped.")),
    ]
    first, second = read(lines)
    assert (len(first.steps), len(second.steps)) == (2, 1)
    assert [m["role"] for m in second.messages] == [
        *("user", "assistant", "tool", "tool", "user", "assistant")
    ]
    assert [m.get("is_demo") for m in second.messages if m["role"] == "assistant"] == [True, None]


@pytest.mark.parametrize(
    ("line", "context"),
    [
        (
            s.rollout(
                "compacted", {"message": "", "replacement_history": [s.worded("user", "Go.")]}
            ),
            ["Go."],
        ),
        (
            s.rollout("compacted", {"message": "So far: looked."}),
            ["You are Codex.", s.TASK, "So far: looked."],
        ),
        (
            s.rollout("event_msg", {"type": "thread_rolled_back", "num_turns": 1}),
            ["You are Codex."],
        ),
    ],
)
def test_codex_splits_where_its_context_changed(line, context):
    first, second = read([*s.CODEX, line, s.rollout("response_item", s.worded("assistant", "On."))])
    assert (first.stated_id, second.stated_id) == ("cx-1", "cx-1#2")
    assert (first.exit_status, second.exit_status) == (None, "task_complete")
    assert first.steps == only(s.CODEX).steps
    assert [m["content"] for m in second.messages] == [*context, "On."]


def test_gemini_splits_where_the_user_went_back():
    on = {"id": "5", "type": "gemini", "content": "Otherwise.", "model": "gemini-y"}
    first, second = read([*s.GEMINI, {"$rewindTo": "2"}, on])
    assert (len(first.steps), len(second.steps)) == (2, 1)
    assert [m["content"] for m in second.messages] == [s.TASK, "Otherwise."]


def test_opencode_splits_at_a_summary():
    record = copy.deepcopy(s.OPENCODE)
    told = {"info": {"role": "assistant", "summary": True}, "parts": [s.said("So far.")]}
    on = {"info": {"role": "assistant"}, "parts": [s.said("On.")]}
    record["messages"] += [told, on]
    *_, last = read(record)
    assert [(m["content"], m.get("is_demo")) for m in last.messages] == [
        ("So far.", True),
        ("On.", None),
    ]


def test_openhands_sdk_splits_where_events_were_condensed():
    condensed = {
        "id": "e20",
        "kind": "Condensation",
        "forgotten_event_ids": ["e3", "e4", "e5", "e6", "e8"],
        "summary": "So far: looked.",
        "summary_offset": 2,
    }
    on = s.acted(21, "r9", "c21", "I go on.", "pwd")
    row = {"instance_id": "acme__b-1", "history": [*s.SDK, condensed, on]}
    first, second = read(row)
    assert first.steps == only(s.SDK).steps
    assert [m["content"] for m in second.messages] == [
        *("You are an agent.", s.TASK, "So far: looked.", "Done.", "I go on."),
    ]
    assert [step.thought for step in second.steps] == ["I go on."]
    assert first.trajectory_id != second.trajectory_id


@pytest.mark.parametrize("parent", ["u8", None], ids=["clear", "first prompt taken back"])
def test_claude_code_begins_anew_where_all_was_cleared(parent):
    """`/clear` follows what came before; whoever goes back to the first prompt follows nothing."""
    told = "<command-name>/clear</command-name>" if parent else "Another task."
    lines = [
        *s.CLAUDE,
        s.claude_told("w1", parent, told),
        s.claude_told("w2", "w1", "Another task."),
        s.claude_turn("w3", "w2", "m3", s.said("Of course.")),
    ]
    first, second = read(lines)
    assert first.messages == only(s.CLAUDE).messages
    assert contents(second) == [told, "Another task.", "Of course."]
    assert thoughts(second) == ["Of course."]


def test_a_prompt_of_claude_code_that_quotes_the_command_clears_nothing():
    told = "The log shows <command-name>/clear</command-name>: why?"
    more = [s.claude_told("w1", "u8", told), s.claude_turn("w2", "w1", "m3", s.said("It is."))]
    assert contents(only([*s.CLAUDE, *more]))[-2:] == [told, "It is."]


def test_lines_of_claude_code_that_name_none_before_them_stay_one_context():
    lines = [{k: v for k, v in line.items() if k != "parentUuid"} for line in s.CLAUDE]
    lines += [s.claude_told("w1", None, "More?"), s.claude_turn("w2", None, "m3", s.said("No."))]
    assert len(only(lines).steps) == 3


def forked(*own, meta=None, paused=True):
    """A rollout that begins with a copy of another, written within a moment."""
    lines = copy.deepcopy(s.CODEX)
    fork = s.rollout("session_meta", meta or {"id": "cx-2", "forked_from_id": "cx-1"})
    made = [fork, *lines]
    for number, line in enumerate(made):
        line["timestamp"] = f"2026-02-02T00:00:00.{number:03}Z"
    later = [s.rollout("response_item", s.worded(*one)) for one in own]
    for line in later:
        line["timestamp"] = f"2026-02-02T00:00:{'09' if paused else '00.100'}Z"
    return [*made, *later]


OWN = ("user", "And c.py?"), ("assistant", "It is fine.")


@pytest.mark.parametrize(
    ("meta", "stated"),
    [
        ({"id": "cx-2", "forked_from_id": "cx-1"}, "cx-1/cx-2"),
        ({"id": "cx-2"}, "cx-2"),
        (
            {"id": "cx-2", "source": {"subagent": {"thread_spawn": {"parent_thread_id": "cx-1"}}}},
            "cx-1/cx-2",
        ),
    ],
)
def test_copied_turns_of_a_forked_rollout_are_context(meta, stated):
    run = only(forked(*OWN, meta=meta))
    assert thoughts(run) == ["It is fine."]
    assert contents(run)[-3:] == ["Done.", "And c.py?", "It is fine."]
    assert [m.get("is_demo") for m in run.messages if m["role"] == "assistant"] == [
        *(True, True, True, None)
    ]
    assert (run.stated_id, run.exit_status) == (stated, None)


@pytest.mark.parametrize("own", [(), OWN])
def test_a_fork_whose_own_turns_cannot_be_told_is_refused(own):
    with pytest.raises(RecordError, match="without a turn of its own"):
        read(forked(*own, paused=False))


def act(number, command):
    """An action of OpenHands 0.x and what answered it."""
    return [
        {
            "id": number, "source": "agent", "action": "run",
            "args": {"thought": f"I do {number}.", "command": command},
        },
        {
            "id": number + 1, "source": "agent", "observation": "run", "content": f"seen {number}",
            "extras": {"command_id": number, "exit_code": 0},
        },
    ]  # fmt: skip


def condensation(number, summary, **gone):
    forgotten = {"summary": summary, "summary_offset": 1, **gone}
    return {"id": number, "source": "agent", "action": "condensation", "args": forgotten}


CONDENSED = [
    {"id": 0, "source": "user", "action": "message", "args": {"content": s.TASK}},
    {"id": 1, "source": "environment", "observation": "agent_state_changed", "content": ""},
    *(*act(2, "ls"), *act(4, "cat a.py"), *act(6, "cat b.py")),
]


@pytest.mark.parametrize(
    "gone",
    [
        {"forgotten_events_start_id": 2, "forgotten_events_end_id": 5},
        {"forgotten_event_ids": [2, 3, 4, 5]},
    ],
)
def test_openhands_splits_where_events_were_condensed(gone):
    events = [*CONDENSED, condensation(8, "So far: looked.", **gone), *act(9, "pytest")]
    first, second = read({"instance_id": "acme__b-1", "history": events})
    assert thoughts(first) == ["I do 2.", "I do 4.", "I do 6."]
    assert contents(second)[:2] == [s.TASK, "So far: looked."]
    assert [m["role"] for m in second.messages] == [
        *("user", "user", "assistant", "user", "assistant", "user")
    ]
    assert thoughts(second) == ["I do 9."]
    assert second.steps[0].return_codes == [0]


def test_a_later_summary_of_openhands_stands_for_the_one_before():
    events = [
        *CONDENSED,
        condensation(8, "First.", forgotten_events_start_id=2, forgotten_events_end_id=5),
        *act(9, "pytest"),
        condensation(11, "Second.", forgotten_events_start_id=2, forgotten_events_end_id=7),
        *act(12, "git diff"),
    ]
    *_, last = read({"instance_id": "acme__b-1", "history": events})
    assert contents(last)[:2] == [s.TASK, "Second."]
    assert "First." not in json.dumps(last.messages)
    assert thoughts(last) == ["I do 12."]
