"""Rows of data sets. Step counts were counted by hand in the samples."""

import orjson
import pytest

from tests.trajectories.chat_rows import CHAT, TOOLS, read

SAMPLES = "hf-samples"


@pytest.mark.parametrize(
    ("folder", "format_name", "scaffold", "steps"),
    [
        ("swe-smith", "swe-smith", "swe-agent", [15, 23, 18, 22, 38]),
        ("nebius_SWE-agent-trajectories", "nebius-swe-agent", "swe-agent", [6, 14, 5, 8, 16]),
        (
            "swe-gym_openhands_sampled_trajectories",
            "swe-gym-openhands",
            "openhands",
            [17, 11, 12, 18, 30],
        ),
        ("mini-coder", "mini-coder", "mini-swe-agent", [8]),
        ("swe-play-trajectories", "swe-play", "openhands", [21, 22, 32, 21, 32]),
    ],
)
def test_samples(parse, folder, format_name, scaffold, steps):
    runs = [read(row) for row in parse(f"{SAMPLES}/{folder}/sample_raw.json")]
    assert {run.format for run in runs} == {format_name}
    assert {run.scaffold for run in runs} == {scaffold}
    assert [len(run.steps) for run in runs] == steps
    assert len({run.trajectory_id for run in runs}) == len(runs)


def test_xml_example_rows(read_run):
    runs = [read_run("swe-smith-fixtures/**/ft_xml_example.jsonl", row=row) for row in range(3)]
    assert [len(run.steps) for run in runs] == [37, 44, 22]
    assert {run.format for run in runs} == {"messages"}
    assert runs[0].instance_id == "pandas-dev__pandas.95280573.pr_53652"
    view = runs[0].steps[1].actions[0]
    assert view.tool == "str_replace_editor"
    assert orjson.loads(view.command) == {
        "command": "view",
        "path": "/testbed/pandas/core/indexes/base.py",
        "view_range": "[6035, 6050]",
    }
    assert (
        runs[0].steps[1].thought
        == "Let's look at the specific file mentioned in the PR description:"
    )


def test_swe_smith_messages_may_be_json_text(parse):
    row = parse(f"{SAMPLES}/swe-smith/sample_raw.json")[0]
    text = row | {"messages": orjson.dumps(row["messages"]).decode()}
    assert read(text) == read(row)
    assert read(text).format == "swe-smith"
    assert read(row).resolved is True
    assert read(row).stated_id == "arrow-py__arrow.1d70d009.lm_rewrite__nuzjfyur.l13ggwmx"


def test_swe_smith_keeps_the_empty_patch(parse):
    assert read(parse(f"{SAMPLES}/swe-smith/sample_raw.json")[3]).submission == ""


def test_nebius_row(parse):
    run = read(parse(f"{SAMPLES}/nebius_SWE-agent-trajectories/sample_raw.json")[0])
    assert run.instance_id == "tomerfiliba__plumbum-366_17"
    assert (run.model, run.exit_status) == ("swe-agent-llama-70b", "submitted")
    assert run.resolved is True
    assert run.messages[0]["role"] == "system"
    assert run.messages[0]["content"].startswith("SETTING: You are an autonomous programmer")
    assert {m["role"] for m in run.messages} == {"system", "user", "assistant"}
    assert [a.tool for a in run.steps[1].actions] == ["find_file"]


def test_swe_gym_row_has_several_calls_in_a_turn(parse):
    run = read(parse(f"{SAMPLES}/swe-gym_openhands_sampled_trajectories/sample_raw.json")[0])
    assert run.model == "gpt-4o-2024-08-06"
    several = [len(step.actions) for step in run.steps if len(step.actions) > 1]
    assert several == [2, 2, 2, 4]
    assert all(len(s.observations) == len(s.actions) for s in run.steps[:-3])
    assert [step.step_index for step in run.steps if not step.actions] == [14, 15]
    assert run.submission.startswith("diff --git a/mypy/plugins/attrs.py")
    assert "function_call" not in run.messages[0]  # null in every row of the Parquet file
    assert [t["function"]["name"] for t in run.tools] == [
        "execute_bash",
        "finish",
        "str_replace_editor",
    ]


def test_mini_coder_submits_in_another_protocol(parse):
    run = read(parse(f"{SAMPLES}/mini-coder/sample_raw.json")[0])
    assert [a.tool for step in run.steps for a in step.actions] == ["bash"] * 7 + ["submit"]


def test_swe_play_row_knows_no_outcome(parse):
    run = read(parse(f"{SAMPLES}/swe-play-trajectories/sample_raw.json")[0])
    assert (run.resolved, run.submission, run.model) == (None, None, None)


@pytest.mark.parametrize(("resolved", "outcome"), [(1, True), (0, False), (1.0, True)])
def test_nebius_openhands_row(resolved, outcome):
    row = {
        "trajectory_id": "chatcmpl-27dd",
        "instance_id": "PlasmaFAIR__sdf-xarray-24",
        "repo": "PlasmaFAIR/sdf-xarray",
        "trajectory": CHAT,
        "tools": TOOLS,
        "model_patch": "diff --git a/x b/x",
        "exit_status": "submit",
        "resolved": resolved,
        "gen_tests_correct": 0.0,
    }
    run = read(row)
    assert (run.format, run.scaffold) == ("nebius-openhands", "openhands")
    assert (run.resolved, run.stated_id) == (outcome, "chatcmpl-27dd")
    assert (run.submission, run.exit_status) == ("diff --git a/x b/x", "submit")
    assert run.messages == CHAT
    assert run.tools == TOOLS
    assert len(run.steps) == 2


@pytest.mark.parametrize(("resolved", "outcome"), [(1, True), (0, False), (-1, None)])
@pytest.mark.parametrize("column", ["messages", "trajectory"])
def test_open_swe_traces_row_has_three_outcomes(resolved, outcome, column):
    row = {column: CHAT, "tools": TOOLS, "resolved": resolved, "agent": "openhands"}
    run = read({"instance_id": "a__b-1", "trajectory_id": "t", **row})
    assert (run.format, run.scaffold) == ("open-swe-traces", "openhands")
    assert run.resolved is outcome
