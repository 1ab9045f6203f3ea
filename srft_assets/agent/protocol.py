"""The text protocol between agent and model: what the agent is told, and how answers are read.

It is mini-swe-agent's (`mini_textbased.yaml` of 2.4): one block of `mswea_bash_command` a turn,
observations as `<returncode>` and `<output>`. The prompts are short, so that a run fits into the
context of a tiny model.
"""

import time
from abc import ABC, abstractmethod
from typing import Any

from pydantic import BaseModel

from srft_assets.trajectories.model import Message

SUBMIT_MARK = "COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"
"""First line of the output of the command that ends a run; what follows is the patch."""

SUBMIT = f"echo {SUBMIT_MARK} && git add -A && git diff --cached"
"""The command that ends a run."""

SYSTEM = "Fix the bug. Reply with one ```mswea_bash_command block."

INSTANCE = "{{task}}\nWhen done: " + SUBMIT

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


class TextModelConfig(BaseModel):
    """Settings of a text model, as they are kept in the run file."""

    model_name: str
    observation_template: str = OBSERVATION
    format_error_template: str = FORMAT_ERROR
    action_regex: str = ACTION


class TextModel(ABC):
    """Implements `minisweagent.Model` (2.4) with the text protocol; subclasses write `reply`."""

    def __init__(self, model_name: str):
        self.config = TextModelConfig(model_name=model_name)

    @abstractmethod
    def reply(self, messages: list[Message]) -> tuple[str, dict[str, Any]]:
        """The next assistant turn for a chat, and what to keep in its `extra`."""

    def query(self, messages: list[Message], **kwargs: Any) -> Message:
        """One assistant message. Raises minisweagent's FormatError without exactly one action."""
        from minisweagent.models.utils.actions_text import parse_regex_actions

        chat = [{"role": message["role"], "content": message["content"]} for message in messages]
        text, extra = self.reply(chat)
        actions = parse_regex_actions(
            text,
            action_regex=self.config.action_regex,
            format_error_template=self.config.format_error_template,
        )
        kept = {"actions": actions, "cost": 0.0, "timestamp": time.time(), **extra}
        return {"role": "assistant", "content": text, "extra": kept}

    def format_message(self, **kwargs: Any) -> Message:
        """A message as this model wants it."""
        return kwargs

    def format_observation_messages(
        self,
        message: Message,
        outputs: list[dict[str, Any]],
        template_vars: dict[str, Any] | None = None,
    ) -> list[Message]:
        """User messages that answer the actions of `message`."""
        from minisweagent.models.utils.actions_text import format_observation_messages

        return format_observation_messages(
            outputs,
            observation_template=self.config.observation_template,
            template_vars=template_vars,
        )

    def get_template_vars(self, **kwargs: Any) -> dict[str, Any]:
        """Variables for the prompts."""
        return {**self.config.model_dump(), **kwargs}

    def serialize(self) -> dict[str, Any]:
        """What the run file says of the model."""
        kind = f"{type(self).__module__}.{type(self).__name__}"
        config = self.config.model_dump(mode="json")
        return {"info": {"config": {"model": config, "model_type": kind}}}
