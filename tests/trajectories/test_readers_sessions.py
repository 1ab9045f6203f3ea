"""Readers of coding tools, logs and rows: what each takes of a run written to its schema. Their
steps were counted by hand in tests/trajectories/sessions.py.
"""

import copy
import json
import zipfile

import pytest

from srft_assets.trajectories.formats import read_runs
from srft_assets.trajectories.ingest import ingest
from srft_assets.trajectories.model import RecordError
from srft_assets.trajectories.stage import read_files
from tests.trajectories import sessions as s
from tests.trajectories.ingest_support import make


def read(record, source="x.json"):
    return read_runs(record, source=source)


def only(record, source="x.json"):
    (run,) = read(record, source)
    return run


def actions(run):
    return [[(one.tool, one.command, one.call_id) for one in step.actions] for step in run.steps]


def codes(run):
    return [step.return_codes for step in run.steps]


def observations(run):
    return [step.observations for step in run.steps]


def test_claude_code_lines_of_one_message_are_one_turn():
    run = only(s.CLAUDE)
    assert (run.format, run.scaffold, run.model) == ("claude-code", "claude-code", "claude-y")
    assert run.stated_id == "cc-1"
    looked = [("Bash", "cat b.py", "t1"), ("Bash", "false", "t2")]
    assert actions(run) == [looked, []]
    assert observations(run) == [["y = 1", "Exit code 3\nno"], []]
    assert codes(run) == [[None, 3], []]
    assert [step.thought for step in run.steps] == ["I look.", "Done."]
    assert run.messages[1]["reasoning_content"] == "First look."


def test_claude_code_stream_states_model_and_end():
    lines = [
        {"type": "system", "subtype": "init", "session_id": "s", "model": "claude-y"},
        {**s.claude_turn("u", "", "m1", s.use("t1", "Bash", s.LOOK)), "session_id": "s"},
        {"type": "result", "subtype": "error_max_turns", "session_id": "s"},
    ]
    run = only(lines)
    assert (run.model, run.exit_status, len(run.steps)) == ("claude-y", "error_max_turns", 1)


def test_a_subagent_of_claude_code_is_a_run_of_its_own():
    side = {"isSidechain": True, "agentId": "a7"}
    lines = [
        *s.CLAUDE[:6],
        s.claude_told("v1", None, "Search.", **side),
        s.claude_turn("v2", "v1", "n1", s.said("Found."), **side),
        *s.CLAUDE[6:],
    ]
    main, helper = read(lines)
    assert (main.stated_id, helper.stated_id) == ("cc-1", "cc-1/a7")
    assert (len(main.steps), len(helper.steps)) == (2, 1)
    assert main.steps == only(s.CLAUDE).steps
    assert helper.trajectory_id != main.trajectory_id


def test_messages_that_the_program_wrote_itself_are_no_turns():
    error = s.claude_turn("z", "u8", "m9", s.said("API Error"))
    error["message"]["model"] = "<synthetic>"
    assert only([*s.CLAUDE, error]).messages == only(s.CLAUDE).messages


def test_codex_cuts_turns_at_answers():
    run = only(s.CODEX)
    assert (run.scaffold, run.model, run.stated_id) == ("codex", "gpt-y", "cx-1")
    assert run.exit_status == "task_complete"
    assert actions(run) == [
        [("exec_command", "cat b.py", "c1")],
        [("local_shell", "false", "c2")],
        [],
    ]
    assert codes(run) == [[0], [1], []]
    assert run.messages[0] == {"role": "system", "content": "You are Codex."}
    assert run.messages[2]["reasoning_content"] == "First look."


def test_a_rollout_of_a_subagent_names_its_parent():
    lines = copy.deepcopy(s.CODEX)
    spawned = {"subagent": {"thread_spawn": {"parent_thread_id": "cx-0"}}}
    lines[0]["payload"]["source"] = spawned
    assert only(lines).stated_id == "cx-0/cx-1"


def test_responses_items():
    run = only(s.RESPONSES)
    assert (run.instance_id, run.model, run.resolved) == ("acme__b-1", "gpt-y", True)
    assert actions(run) == [[("shell", "cat b.py", "c1")], []]
    assert observations(run) == [["y = 1"], []]


def test_gemini_messages_change_while_they_are_written():
    run = only(s.GEMINI)
    assert (run.scaffold, run.model, run.stated_id) == ("gemini-cli", "gemini-y", "g-1")
    assert actions(run) == [[("run_shell_command", "cat b.py", "s-1")], []]
    assert codes(run) == [[0], []]


def test_opencode_steps_are_calls_of_the_model():
    run = only(s.OPENCODE)
    assert (run.model, run.stated_id) == ("p/y", "ses_1/ses_2")
    assert actions(run) == [[("bash", "cat b.py", "c1")], [("edit", "{}", "c2")]]
    assert observations(run) == [["y = 1"], ["no such text"]]
    assert codes(run) == [[0], [None]]
    assert [step.thought for step in run.steps] == ["", "I stop."]


def test_atif_with_copied_context_and_a_subagent():
    run, helper = read(s.ATIF, "widget__Ab12Cd3/agent/trajectory.json")
    assert (run.instance_id, run.scaffold, run.model) == ("widget", "terminus-2", "y")
    assert actions(run) == [
        [("bash_command", "cat b.py", "c1"), ("task", '{"of":"helper"}', "c2")],
        [],
    ]
    assert observations(run) == [["y = 1", ""], ["stopped"]]
    assert run.messages[2] == {"role": "assistant", "content": "Before.", "is_demo": True}
    assert run.messages[3]["reasoning_content"] == "First look."
    assert (run.stated_id, helper.stated_id) == ("root", "root/helper")
    assert [step.thought for step in helper.steps] == ["Helped."]


def test_openhands_sdk_events_of_one_response_are_one_turn():
    run = only(s.SDK, "sdk/events.jsonl")
    assert (run.format, run.scaffold, run.exit_status) == (
        "openhands-sdk", "openhands", "finished",
    )  # fmt: skip
    assert actions(run) == [[("terminal", "cat b.py", "c1"), ("terminal", "false", "c2")], []]
    assert codes(run) == [[0, 1, None], []]
    assert observations(run) == [["y = 1", "", "no tool 'x'"], []]


def test_inspect_samples_with_attachments_and_scores():
    run = only(s.INSPECT)
    assert (run.instance_id, run.model, run.resolved) == ("acme__b-1", "openai/y", True)
    assert actions(run) == [[("bash", "cat b.py", "c1")], []]
    assert observations(run) == [["y = 1"], []]
    assert run.messages[1]["reasoning_content"] == "First look."


def test_rows_in_other_forms():
    looked = [[("bash", "cat b.py", "c1")], []]
    prompted = only(s.PROMPTED)
    assert (prompted.instance_id, prompted.resolved) == ("acme__b-1", True)
    assert actions(prompted) == looked == actions(only(s.LANGCHAIN))
    assert actions(only(s.SHAREGPT)) == [[("bash", "cat b.py", None)], []]
    r2e = only(s.R2E)
    assert (r2e.instance_id, r2e.submission, r2e.exit_status) == ("acme/b:1", "", "max_step_limit")
    assert actions(r2e) == [[("execute_bash", "cat b.py", None)]]
    adp = only(s.ADP)
    assert (adp.instance_id, adp.stated_id) == ("acme__b-1", "acme__b-1_0")
    assert (adp.resolved, adp.submission) == (True, "diff")
    assert observations(adp) == [["y = 1"], ["edited"], []]


@pytest.mark.parametrize(
    ("own", "instance"),
    [
        ("acme__b-1_12", "acme__b-1"),
        ("acme__b.1a2b3c4d.pr_7__x_0", "acme__b.1a2b3c4d.pr_7__x"),
        ("alfworld_155", "alfworld_155"),
        ("acme__b-1", "acme__b-1"),
    ],
)
def test_a_number_behind_an_instance_counts_its_runs(own, instance):
    run = only({**s.ADP, "id": own})
    assert (run.instance_id, run.stated_id) == (instance, own)


def test_an_entry_of_another_class_is_named():
    shown = {"class_": "image_observation", "content": "a.png"}
    with pytest.raises(RecordError, match=r"'content\[6\].class_' is 'image_observation', which"):
        read({**s.ADP, "content": [*s.ADP["content"], shown]})


def test_a_turn_in_a_prompt_is_context():
    row = {"prompt": s.CHAT[:3], "completion": s.CHAT[3:]}
    run = only(row)
    assert [step.thought for step in run.steps] == ["Done."]


@pytest.mark.parametrize(
    ("reward", "resolved"), [(1, True), (1.0, True), (0, False), (-1.0, False), (0.5, None)]
)
def test_a_reward_between_is_no_outcome(reward, resolved):
    assert only({**s.PROMPTED, "reward": reward}).resolved is resolved


def test_anthropic_blocks_become_calls_and_answers():
    run = only(s.ANTHROPIC)
    assert actions(run) == [[("bash", "cat b.py", "t1")], []]
    assert observations(run) == [["y = 1"], []]
    assert run.messages[0] == {"role": "system", "content": "You are an agent."}
    assert run.tools == [
        {"type": "function", "function": {"name": "bash", "parameters": {"type": "object"}}}
    ]


def test_calls_of_a_model_without_native_ones_are_read_from_its_raw_answer():
    text = "I look.\n<function=terminal>\n<parameter=command>cat b.py</parameter>\n</function>"
    asked = [*s.CHAT[:1], {"role": "assistant", "content": text}, {"role": "user", "content": "y"}]
    log = s.call_log(asked, {"role": "assistant", "content": "", "tool_calls": [s.CALL]})
    with pytest.raises(RecordError, match="without its 'raw_response'"):
        read(log)
    log["raw_response"] = {"choices": [{"message": {"role": "assistant", "content": text}}]}
    assert [one[0][1] for one in actions(only(log))] == ["cat b.py", "cat b.py"]


def test_calls_in_a_flat_folder_are_joined_by_what_they_hold(tmp_path):
    other = [{"role": "user", "content": "Another task."}]
    s.write(tmp_path / "m-1700000001.json", s.call_log(s.CHAT[:1], s.CHAT[1]))
    s.write(
        tmp_path / "m-1700000002.json", s.call_log(other, {"role": "assistant", "content": "No."})
    )
    s.write(tmp_path / "m-1700000003.json", s.call_log(s.CHAT[:3], s.CHAT[3]))
    condensed = [{"role": "user", "content": "So far."}]
    s.write(tmp_path / "m-1700000004.json", s.call_log(condensed, s.CHAT[3]))
    runs, _ = read_files(tmp_path)
    assert [(run.source, len(run.steps)) for run in runs] == [
        ("m-1700000002.json", 1),
        ("m-1700000003.json", 2),
        ("m-1700000004.json", 1),
    ]


def test_a_line_that_is_torn_is_told_and_the_rest_of_the_session_read(tmp_path):
    lines = [json.dumps(line) for line in s.CLAUDE]
    (tmp_path / "a.jsonl").write_text("\n".join([*lines, '{"type": "assis']))
    runs, refused = read_files(tmp_path)
    assert [len(run.steps) for run in runs] == [2]
    assert [one.line() for one in refused] == [
        "a.jsonl: line 10 of the session, which is read without it: truncated JSON: it ends after "
        "15 bytes inside a value"
    ]


def test_eval_logs_packed_in_either_way(tmp_path):
    plain = s.packed(method=zipfile.ZIP_STORED)
    (tmp_path / "a.eval").write_bytes(plain)
    (tmp_path / "b.eval").write_bytes(s.packed({"eval": {"model": "z", "run_id": "z"}}))
    (tmp_path / "c.eval").write_bytes(plain[:400])
    runs, refused = read_files(tmp_path)
    assert [(run.source, run.row, len(run.steps)) for run in runs] == [
        *(("a.eval", 0, 2), ("a.eval", 1, 2), ("b.eval", 0, 2), ("b.eval", 1, 2))
    ]
    assert [one.source for one in refused] == ["c.eval"]


def test_a_folder_of_every_format_is_one_batch(home, tmp_path):
    expected = s.write_all(tmp_path / "runs")
    plan = ingest(home, [tmp_path / "runs"], batch="b")
    frame, stamp = make(home, "b")
    assert dict(frame.group_by("format").len().sort("format").iter_rows()) == expected
    assert [one.line() for one in stamp.refused] == [
        "sdk/logs/m-1700000001.100.json: an earlier LLM call of the run in "
        "sdk/logs/m-1700000002.100-ab12.json"
    ]
    assert plan.roles == {"refused": 1, "report": 1, "runs": 17}
    assert ingest(home, [tmp_path / "runs"], batch="b").unchanged == ("b",)


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"working_dir": "/", "description": "", "message_count": 3}, "a Goose session: not read"),
        ({"resourceSpans": []}, "OpenTelemetry spans: not read"),
        ({"id": "r", "run_type": "llm", "child_runs": []}, "a LangSmith run: not read"),
        (s.SDK[2], "one event of an OpenHands"),
        ({"prompt": "a", "completion": "b"}, "prompt and completion are text"),
        ({"eval": {}, "plan": {}, "stats": {}}, "a log of Inspect without samples"),
    ],
)
def test_a_format_that_is_known_and_not_read_is_named_with_a_way_out(record, reason):
    if "timestamp" not in record and record.get("kind"):
        record = {**record, "timestamp": "2026-02-01"}
    with pytest.raises(RecordError, match=reason):
        read(record)
