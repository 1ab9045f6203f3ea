"""Actions and return codes as turns and answers write them."""

import pytest

from srft_assets.trajectories.steps import (
    bash_fences,
    command_tag,
    execute_tags,
    function_calls,
    keystrokes,
    last_fence,
    prose,
    protocol_of,
    return_code,
    split_action,
)


@pytest.mark.parametrize(
    ("split", "text", "thought", "actions"),
    [
        (
            bash_fences,
            "THOUGHT: x\n\n```bash\ncat <<'EOF'\n```py\nEOF\n```\nBye.",
            "THOUGHT: x\n\npy\nEOF\n```\nBye.",
            [("bash", "cat <<'EOF'")],
        ),
        (bash_fences, "```bash\na\n``` and ```bash\nb\n```", "and", [("bash", "a"), ("bash", "b")]),
        (bash_fences, "```bash\nnever closed", "```bash\nnever closed", []),
        (last_fence, "First:\n```\nls\n```\nThen\n```\ncat a\n```", None, [("bash", "cat a")]),
        (last_fence, "x\n```\nedit 1:2\na\nend_of_edit\n```", "x", None),
        (last_fence, "no fence", "no fence", []),
        (
            keystrokes,
            '{"analysis": "a", "plan": "b", "commands": '
            '[{"keystrokes": "ls\\n"}, {"keystrokes": ""},'
            ' {"keystrokes": "C-c"}]}',
            "a\nb",
            [("bash", "ls"), ("bash", "C-c")],
        ),
        (keystrokes, '{"commands": 3}', "", []),
        (keystrokes, '{"commands": [{"keystrokes"', '{"commands": [{"keystrokes"', []),
        (command_tag, "x\n<command>\nsubmit\n</command>", "x", [("submit", "submit")]),
        (command_tag, "</command><command>", "</command><command>", []),
        (execute_tags, "x\n<execute_bash>\nls\n</execute_bash>", "x", [("execute_bash", "ls")]),
        (
            function_calls,
            "x\n<function=bash>\n<parameter=command>\nls\n</parameter>\n</function>",
            "x",
            [("bash", "ls")],
        ),
        (function_calls, "<function=submit>\n</function>", "", [("submit", "{}")]),
        (function_calls, "<function=bash><parameter=command>ls", "", [("bash", "ls")]),
        (
            function_calls,
            "<function=edit><parameter=path>a</parameter><parameter=n>1</parameter></function>",
            "",
            [("edit", '{"path":"a","n":"1"}')],
        ),
        (prose, " just text ", "just text", []),
    ],
)
def test_text_protocols(split, text, thought, actions):
    got_thought, got_actions = split(text)
    if thought is not None:
        assert got_thought == thought
    if actions is not None:
        assert [(a.tool, a.command) for a in got_actions] == actions


def test_nested_fences_do_not_end_the_block():
    text = "x\n```\ncreate a.md\n```python\npass\n```\nend\n```"
    assert last_fence(text)[1][0].command == "create a.md\n```python\npass\n```\nend"


def test_the_protocol_is_that_of_most_turns():
    bash, function = "```bash\nls\n```", "<function=submit>\n</function>"
    protocol = protocol_of([bash, bash, function])
    assert protocol is bash_fences
    assert split_action(function, protocol)[1][0].tool == "submit"
    assert protocol_of(["text", ""]) is prose
    assert protocol_of(['{"commands": [{"keystrokes": "ls\\n"}]}']) is keystrokes


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("<returncode>0</returncode>\n<output>\n</output>", 0),
        ("<exception>timed out</exception>\n<returncode>-1</returncode>", -1),
        ("<returncode>none", None),
        ("it printed <returncode>1</returncode>", None),
        ("out\n[Command finished with exit code 2]", 2),
        ("out\n[The command completed with exit code 0.]\n[Current working directory: /x]", 0),
        ("OBSERVATION:\nout\n[Command -1 finished with exit code 127]", 127),
        ("[Command finished with exit code 1]\nmore\n[Command finished with exit code 0]", 0),
        ("[The command has no new output]\n[Command finished with exit code -1]", None),
        ("Command exited with status 4", 4),
        ("File created successfully", None),
        ("", None),
    ],
)
def test_return_codes_in_texts(text, code):
    assert return_code(text) == code
