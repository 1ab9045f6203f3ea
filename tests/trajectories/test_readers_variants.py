"""How data sets and tools write what their format allows, beside its plain form."""

import json

import pytest

from srft_assets.trajectories.formats import read_runs
from srft_assets.trajectories.model import RecordError
from srft_assets.trajectories.stage import read_files
from tests.trajectories import sessions as s


def only(record, source="x.json"):
    (run,) = read_runs(record, source=source)
    return run


def test_conversations_in_the_form_of_openai_keep_calls_and_parts():
    parts = [{"role": "assistant", "content": [s.said("Done.")]}]
    run = only({"id": "i", "conversations": [*s.CHAT[:3], *parts], "tools": ""})
    assert run.format == "sharegpt"
    assert run.messages == [*s.CHAT[:3], *parts]
    assert [[one.command for one in step.actions] for step in run.steps] == [["cat b.py"], []]
    assert run.steps[0].observations == ["y = 1"]


def test_a_turn_of_sharegpt_that_is_no_text_is_refused():
    told = [{"from": "human", "value": "a"}, {"from": "gpt", "value": [s.said("b")]}]
    with pytest.raises(RecordError, match=r"'conversations\[1\].value' is a list; expected text"):
        only({"id": "i", "conversations": told})


ROWS = [{"session_id": f"s{n}", "type": "swe", "instance_id": f"i{n}"} for n in range(3)]


def read(folder, *values, name="rows.jsonl", format=None):
    runs, refused = read_files(s.write(folder / name, *values), format)
    assert refused == []
    return [(run.format, run.instance_id) for run in runs]


@pytest.mark.parametrize("format", [None, "messages"])
@pytest.mark.parametrize("of", [list, json.dumps])
def test_rows_that_state_a_session_and_a_type_are_runs_of_their_own(tmp_path, of, format):
    rows = [{**row, "messages": of([*s.CHAT, s.CHAT[n]])} for n, row in enumerate(ROWS)]
    wanted = [("messages", row["instance_id"]) for row in ROWS]
    assert read(tmp_path, *rows, format=format) == wanted
    assert read(tmp_path, rows, name="rows.json", format=format) == wanted


def test_a_stated_format_says_whether_lines_are_one_run(tmp_path):
    lines = [{"type": line["type"], "message": line["message"]} for line in s.CLAUDE[1:]]
    assert [name for name, _ in read(tmp_path, *lines, format="claude-code")] == ["claude-code"]
    rows = [{"instance_id": f"i{n}", "history": s.SDK[: 9 - n]} for n in range(2)]
    assert read(tmp_path, *rows, format="openhands-sdk") == [
        ("openhands-sdk", "i0"),
        ("openhands-sdk", "i1"),
    ]


def test_events_may_begin_with_many_that_say_nothing(tmp_path):
    states = [s.event("ConversationStateUpdateEvent", n, key="x", value=1) for n in range(20, 26)]
    told = read(tmp_path, *states, *s.SDK, name="acme__b-1.jsonl")
    assert told == [("openhands-sdk", "acme__b-1")]


def test_a_summary_of_the_openhands_sdk_is_forgotten_by_the_next():
    def said(number, role, text):
        told = {"role": role, "content": [s.said(text)]}
        return s.event("MessageEvent", number, source="x", llm_message=told)

    def condensed(number, summary, *gone):
        fields = {"forgotten_event_ids": [*gone], "summary": summary, "summary_offset": 1}
        return s.event("Condensation", number, **fields)

    events = [said(1, "user", "go"), said(2, "assistant", "a"), condensed(3, "S1", "e2")]
    events += [said(4, "assistant", "b"), condensed(5, "S2", "e3-summary", "e4")]
    *_, last = read_runs([*events, said(6, "assistant", "c")], source="events.jsonl")
    assert [message["content"] for message in last.messages] == ["go", "S2", "c"]


def test_calls_that_langchain_repeats_from_anthropic_are_read_once():
    human, ai, *rest = s.LANGCHAIN["messages"]
    both = {**ai, "content": [s.said("I look."), s.use("c1", "bash", s.LOOK)]}
    run = only({**s.LANGCHAIN, "messages": [human, both, *rest]})
    assert run.messages[1]["content"] == [s.said("I look.")]
    assert [one.call_id for one in run.steps[0].actions] == ["c1"]
