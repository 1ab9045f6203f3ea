"""mini-swe-agent: bare lists, 1.x, and 2.x files that mini-swe-agent itself writes here."""

import orjson
import pytest

from srft_assets.trajectories.formats import read_record

V1 = "mini-swe-agent-v1/trajs"
BARE = "mini-swe-agent-fixtures/tests/test_data"
SUBMIT = "echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT && echo 'diff --git a/x b/x'"


def test_v1_run(read_run):
    run = read_run(f"{V1}/astropy__astropy-13977.traj.json")
    assert (run.format, run.scaffold) == ("mini-swe-agent-1", "mini-swe-agent")
    assert run.trajectory_id.startswith("astropy__astropy-13977.")
    assert (run.model, run.exit_status) == ("google/gemini-3-pro-preview", "Submitted")
    assert (len(run.messages), len(run.steps)) == (58, 28)
    assert run.resolved is None
    assert set(run.messages[2]) == {"role", "content"}


def test_v1_step(read_run):
    step = read_run(f"{V1}/astropy__astropy-13977.traj.json").steps[1]
    assert step.thought.startswith("THOUGHT: The PR description mentions")
    assert "```" not in step.thought
    assert step.actions[0].command.startswith("cat <<'EOF' > reproduce_issue.py\n")
    assert step.actions[0].command.endswith("\nEOF")
    assert step.return_codes == [0]


def test_all_sixty_have_as_many_steps_as_the_scaffold_counted_calls(runs_root, parse):
    manifest = parse("mini-swe-agent-v1/manifest.json")
    assert len(manifest) == 60
    for entry in manifest:
        name = f"{V1}/{entry['instance_id']}.traj.json"
        run = read_record(parse(name), source=name, row=0)
        assert len(run.steps) == entry["api_calls"]
        assert bool(run.submission) == entry["has_patch"]


@pytest.mark.parametrize(("name", "steps"), [("github_issue", 10), ("local", 2)])
def test_bare_lists(read_run, name, steps):
    run = read_run(f"{BARE}/{name}.traj.json")
    assert (run.format, run.instance_id) == ("mini-swe-agent-1", name)
    assert len(run.steps) == steps
    assert all(len(step.actions) == 1 for step in run.steps)


def test_the_error_text_of_a_failed_v1_run_is_no_submission(parse):
    record = parse(f"{V1}/astropy__astropy-13977.traj.json")
    record["info"] = {"exit_status": "LimitsExceeded", "submission": "cost limit of 3 exceeded"}
    run = read_record(record, source="x", row=0)
    assert (run.exit_status, run.submission) == ("LimitsExceeded", None)


def play(tmp_path, model, **limits):
    """The file that mini-swe-agent 2.x saves of a run with a scripted model."""
    from minisweagent.agents.default import DefaultAgent
    from minisweagent.environments.local import LocalEnvironment

    agent = DefaultAgent(
        model,
        LocalEnvironment(cwd=str(tmp_path)),
        system_template="You are an agent.",
        instance_template="Fix {{task}}.",
        cost_limit=0.0,
        **limits,
        output_path=tmp_path / "lab__adder-1.traj.json",
    )
    agent.run("the adder")
    return orjson.loads((tmp_path / "lab__adder-1.traj.json").read_bytes())


def text_model(texts):
    """A scripted model whose text is parsed by mini-swe-agent's own text protocol."""
    from minisweagent.models.test_models import DeterministicModel, make_output
    from minisweagent.models.utils.actions_text import parse_regex_actions

    class TextModel(DeterministicModel):
        def query(self, messages, **kwargs):
            message = super().query(messages, **kwargs)
            message["extra"]["actions"] = parse_regex_actions(
                message["content"],
                action_regex=r"```mswea_bash_command\s*\n(.*?)\n```",
                format_error_template="{{ error }}",
            )
            return message

    return TextModel(outputs=[make_output(text, []) for text in texts])


def test_v2_text_protocol_with_a_format_error_and_an_exit(tmp_path):
    pytest.importorskip("minisweagent.models.test_models")
    commands = ["echo hello", "exit 3", SUBMIT]
    texts = [f"Think.\n\n```mswea_bash_command\n{command}\n```" for command in commands]
    record = play(tmp_path, text_model([texts[0], "I am done.", *texts[1:]]))
    assert record["messages"][-1]["role"] == "exit"
    run = read_record(record, source="lab__adder-1.traj.json", row=0)
    assert (run.format, run.instance_id) == ("mini-swe-agent-1.1", "lab__adder-1")
    assert [m["role"] for m in run.messages] == [
        m["role"] for m in record["messages"] if m["role"] != "exit"
    ]
    assert "Expected exactly 1 action, found 0." in [m["content"] for m in run.messages]
    turns = [m for m in record["messages"] if m["role"] == "assistant"]
    assert len(run.steps) == len(turns)
    done = [a.command for step in run.steps for a in step.actions]
    assert done == commands
    assert run.exit_status == "Submitted"
    assert run.submission == "diff --git a/x b/x\n"


def test_v2_return_codes_and_a_limit(tmp_path):
    models = pytest.importorskip("minisweagent.models.test_models")
    outputs = [models.make_output("```bash\nexit 3\n```", [{"command": "exit 3"}])]
    record = play(tmp_path, models.DeterministicModel(outputs=outputs), step_limit=1)
    run = read_record(record, source="a.traj.json", row=0)
    assert [step.return_codes for step in run.steps] == [[3]]
    assert (run.exit_status, run.submission) == ("LimitsExceeded", "")


def test_v2_tool_calls(tmp_path):
    models = pytest.importorskip("minisweagent.models.test_models")

    def turn(number, *commands):
        actions = [
            {"command": c, "tool_call_id": f"call_{number}_{k}"} for k, c in enumerate(commands)
        ]
        calls = [
            {
                "id": a["tool_call_id"],
                "type": "function",
                "function": {
                    "name": "bash",
                    "arguments": orjson.dumps({"command": a["command"]}).decode(),
                },
            }
            for a in actions
        ]
        return models.make_toolcall_output(None, calls, actions)

    outputs = [turn(0, "echo one", "exit 2"), turn(1, SUBMIT)]
    record = play(tmp_path, models.DeterministicToolcallModel(outputs=outputs))
    run = read_record(record, source="a.traj.json", row=0)
    assert len(run.steps) == 2
    assert [a.command for a in run.steps[0].actions] == ["echo one", "exit 2"]
    assert [a.call_id for a in run.steps[0].actions] == ["call_0_0", "call_0_1"]
    assert run.steps[0].return_codes == [0, 2]
    assert run.messages[2]["tool_calls"] == record["messages"][2]["tool_calls"]
    assert run.tools[0]["function"]["name"] == "bash"


def test_the_tool_offered_is_the_scaffolds_own():
    tool = pytest.importorskip("minisweagent.models.utils.actions_toolcall").BASH_TOOL
    from srft_assets.trajectories.formats.mini_swe_agent import BASH_TOOL

    assert tool == BASH_TOOL


def test_v2_over_the_responses_api(tmp_path):
    models = pytest.importorskip("minisweagent.models.test_models")
    outputs = [
        models.make_response_api_output(
            "Look.", [{"command": "echo one", "tool_call_id": "call_0"}]
        ),
        models.make_response_api_output(None, [{"command": SUBMIT, "tool_call_id": "call_1"}]),
    ]
    model = models.DeterministicResponseAPIToolcallModel(outputs=outputs)
    run = read_record(play(tmp_path, model), source="a.traj.json", row=0)
    assert [step.thought for step in run.steps] == ["Look.", ""]
    assert [a.command for step in run.steps for a in step.actions] == ["echo one", SUBMIT]
    assert "one" in run.steps[0].observations[0]
    assert run.messages[3] == {
        "role": "tool",
        "content": run.steps[0].observations[0],
        "tool_call_id": "call_0",
    }


def test_a_killed_run_submitted_nothing(parse):
    record = parse(f"{V1}/astropy__astropy-13977.traj.json")
    record["trajectory_format"] = "mini-swe-agent-1.1"
    record["info"] |= {"exit_status": "", "submission": ""}
    run = read_record(record, source="x", row=0)
    assert (run.exit_status, run.submission) == (None, None)


def test_an_empty_patch_is_not_the_same_as_no_patch(parse):
    record = parse(f"{V1}/astropy__astropy-13977.traj.json")
    record["info"] |= {"submission": ""}
    assert read_record(record, source="x", row=0).submission == ""
