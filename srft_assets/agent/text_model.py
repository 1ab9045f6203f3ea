"""mini-swe-agent's model protocol for anything that answers a chat with text."""

import time
from abc import ABC, abstractmethod
from typing import Any

from pydantic import BaseModel

from srft_assets.agent import prompts
from srft_assets.trajectories.model import Message


class TextModelConfig(BaseModel):
    """Settings of a text model, as they are kept in the run file."""

    model_name: str
    observation_template: str = prompts.OBSERVATION
    format_error_template: str = prompts.FORMAT_ERROR
    action_regex: str = prompts.ACTION


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
