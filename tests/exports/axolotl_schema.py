"""The chats that axolotl documents, as a schema that knows no other key."""

import json
from typing import Literal

from pydantic import BaseModel, ConfigDict, model_validator


class Strict(BaseModel):
    """No key that the documentation does not name."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Function(Strict):
    name: str
    arguments: str


class Call(Strict):
    id: str | None
    type: Literal["function"]
    function: Function


class Detail(Strict):
    begin_offset: int
    end_offset: int
    train: bool


class Message(Strict):
    """A message of https://docs.axolotl.ai/docs/dataset-formats/conversation.html."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    reasoning_content: str | None
    tool_calls: list[Call] | None
    tool_call_id: str | None
    name: str | None
    train: bool
    train_detail: list[Detail] | None = None

    @model_validator(mode="after")
    def _offsets_within(self) -> "Message":
        for detail in self.train_detail or []:
            assert 0 <= detail.begin_offset <= detail.end_offset < len(self.content)
        for call in self.tool_calls or []:
            json.loads(call.function.arguments)
        return self


class Schema(Strict):
    name: str
    description: str | None
    parameters: str | None


class Tool(Strict):
    type: Literal["function"]
    function: Schema


class Chat(Strict):
    messages: list[Message]
    tools: list[Tool] | None
