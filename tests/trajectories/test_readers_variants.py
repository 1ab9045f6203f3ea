"""How data sets and tools write what their format allows, beside its plain form."""

import copy
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from srft_assets.trajectories.batches import read_manifest
from srft_assets.trajectories.formats import read_runs
from srft_assets.trajectories.ingest import ingest
from srft_assets.trajectories.model import RecordError
from srft_assets.trajectories.sources import SourceChangedError, read_item
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


def table(path, *rows):
    pq.write_table(pa.Table.from_pylist(rows), path)
    (run,), refused = read_files(path)
    assert refused == []
    return run


def commands(run):
    return [[one.command for one in step.actions] for step in run.steps]


def test_adp_and_responses_may_stand_in_a_table(tmp_path):
    assert table(tmp_path / "adp.parquet", s.ADP).steps == only(s.ADP).steps
    items = s.RESPONSES["input"] + s.RESPONSES["output"]
    for row in (s.RESPONSES, {"instance_id": "i", "messages": items}):
        assert table(tmp_path / "items.parquet", row).steps == only(s.RESPONSES).steps


def test_a_table_of_other_inputs_and_outputs_is_refused_as_one(tmp_path):
    rows = [{"input": "a", "output": "b"}] * 2
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet")
    runs, (refusal,) = read_files(tmp_path / "rows.parquet")
    assert runs == []
    assert refusal.reason.endswith("its columns: input, output")


def test_arguments_of_blocks_in_a_table_are_those_of_their_own_tool(tmp_path):
    turn = {"role": "assistant", "content": [s.use("t2", "edit", {"path": "b.py"})]}
    answer = {"role": "user", "content": [s.result("t2", [s.said("ok")])]}
    told = [{"role": "user", "content": [s.said("Go.")]}, *s.ANTHROPIC["messages"][1:3]]
    run = table(tmp_path / "rows.parquet", {"instance_id": "i", "messages": [*told, turn, answer]})
    given = [json.loads(m["tool_calls"][0]["function"]["arguments"]) for m in run.messages[1::2]]
    assert given == [s.LOOK, {"path": "b.py"}]


def test_a_sample_in_which_no_model_spoke_leaves_the_others():
    empty = {**s.SAMPLE, "id": "b", "messages": [], "error": {"message": "no machine"}}
    assert only({**s.INSPECT, "samples": [empty, s.SAMPLE]}).instance_id == "acme__b-1"
    with pytest.raises(RecordError, match="no assistant turn"):
        only({**s.INSPECT, "samples": [empty]})


def test_a_subagent_that_never_spoke_leaves_its_parent():
    (child,) = s.ATIF["subagent_trajectories"]
    silent = {**child, "steps": child["steps"][:1]}
    assert only({**s.ATIF, "subagent_trajectories": [silent]}).stated_id == "root"


def test_runs_of_one_record_fill_a_batch(home, tmp_path):
    samples = [{**s.SAMPLE, "id": f"t{n}"} for n in range(3)]
    s.write(tmp_path / "logs/a.json", {**s.INSPECT, "samples": samples})
    s.write(tmp_path / "logs/b.json", {**s.INSPECT, "samples": [s.SAMPLE]})
    assert len(ingest(home, [tmp_path / "logs"], batch="b", batch_size=2).batches) == 2


@pytest.mark.parametrize(
    ("stated", "code"), [(3221225786, -1073741510), (-1, -1), (2**40, None), (-(2**31) - 1, None)]
)
def test_a_return_code_is_one_of_32_bits(stated, code):
    session = copy.deepcopy(s.OPENCODE)
    for part in session["messages"][1]["parts"]:
        if part["type"] == "tool":
            part["state"]["metadata"] = {"exit": stated}
    assert only(session).steps[0].return_codes == [code]


def test_a_summary_of_opencode_is_no_run_of_its_own():
    def turn(text, **info):
        return {"info": {"role": "assistant", **info}, "parts": [s.said(text)]}

    asked = {"info": {"role": "user"}, "parts": [s.said("go on")]}
    told = [*s.OPENCODE["messages"], turn("SUMMARY", summary=True), asked, turn("two")]
    first, second = read_runs({**s.OPENCODE, "messages": told}, source="x.json")
    assert second.stated_id == f"{first.stated_id}#2"
    assert [message["content"] for message in second.messages] == ["SUMMARY", "go on", "two"]
    assert [step.thought for step in second.steps] == ["two"]


def test_words_in_brackets_are_text():
    run = only({"prompt": "[Task] fix it", "completion": s.CHAT[1:]})
    assert run.messages[0]["content"] == "[Task] fix it"
    assert only({**s.RESPONSES, "input": "[bug] fix"}).messages[0]["content"] == "[bug] fix"


def test_the_task_of_verifiers_is_its_environment():
    row = {**s.PROMPTED, "task": "swe", "example_id": 7}
    assert only(row).instance_id == "7"
    assert only({**row, "task": "acme__b-1"}).instance_id == "acme__b-1"
    assert only({**row, "info": '{"instance_id": "acme__b-2"}'}).instance_id == "acme__b-2"
    assert only({**row, "info": "a note"}).instance_id == "7"


def test_a_damaged_eval_log_is_a_source_that_changed(home, tmp_path):
    path = tmp_path / "log.eval"
    path.write_bytes(s.packed())
    ingest(home, [path], batch="b")
    path.write_bytes(path.read_bytes()[:-10])
    (item,) = read_manifest(home, "b").items
    with pytest.raises(SourceChangedError, match=r"log.eval: broken .eval file"):
        list(read_item(tmp_path, item))


def test_gemini_states_all_messages_anew_where_it_compressed_them():
    first, *lines = s.GEMINI
    plain = only([first, *lines])
    assert only([first, None, {"$set": {"messages": lines[:1]}}, *lines[1:]]) == plain
    after = [{"id": "8", "type": "user", "content": "SUMMARY"}]
    last = {"id": "9", "type": "gemini", "content": "Again.", "model": "gemini-y"}
    before, later = read_runs([first, *lines, {"$set": {"messages": after}}, last], source="x")
    assert before.messages == plain.messages
    assert [message["content"] for message in later.messages] == ["SUMMARY", "Again."]
