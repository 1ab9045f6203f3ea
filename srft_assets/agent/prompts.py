"""What the agent is told. Short, so that a run fits into the context of a tiny model.

The protocol is mini-swe-agent's text protocol (`mini_textbased.yaml` of 2.4): one block of
`mswea_bash_command` a turn, observations as `<returncode>` and `<output>`.
"""

SUBMIT = "echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT && git add -A && git diff --cached"
"""The command that ends a run; its output after the first line is the patch."""

SYSTEM = "Fix the bug. Reply with one ```mswea_bash_command block."

INSTANCE = (
    """\
{{task}}
When done: """
    + SUBMIT
)

OBSERVATION = """\
{% if output.exception_info %}<exception>{{output.exception_info}}</exception>
{% endif %}<returncode>{{output.returncode}}</returncode>
<output>
{% if output.output | length < 10000 %}{{output.output}}{% else %}{{output.output[:5000]}}
<elided_chars>{{output.output | length - 10000}}</elided_chars>
{{output.output[-5000:]}}{% endif %}</output>"""

FORMAT_ERROR = (
    "Format error: reply with EXACTLY ONE ```mswea_bash_command block, found {{actions|length}}."
)

ACTION = r"```mswea_bash_command\s*\n(.*?)\n```"
"""Regular expression of one action (dot matches newlines)."""


def turn(thought: str, command: str) -> str:
    """Text of an assistant turn in the protocol."""
    return f"{thought}\n\n```mswea_bash_command\n{command}\n```"
