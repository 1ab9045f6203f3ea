"""Chats in the content blocks of Anthropic's Messages API, as Cline and Roo keep them too
(`api_conversation_history.json`): `tool_use` is a call, `tool_result` its answer, `thinking` the
reasoning. `system` and `tools` may stand beside the messages.
"""

from pathlib import PurePosixPath
from typing import Any

from srft_assets.trajectories.formats.chat_datasets import COLUMNS, read_row
from srft_assets.trajectories.model import RecordError, Trajectory
from srft_assets.trajectories.reader import (
    BLOCKS,
    Facts,
    Reader,
    Source,
    assemble,
    listing,
    wrong_type,
)
from srft_assets.trajectories.turns import Chat, Turn

ANTHROPIC = "anthropic-messages"
FAILED = 1
"""Return code of an answer with `is_error`: the format states that it failed, and no number."""


def is_blocks(record: Any, path: str) -> bool:
    """Whether some message holds a `tool_use` or `tool_result` block."""
    messages = record if isinstance(record, list) else None
    for column in COLUMNS if isinstance(record, dict) else ():
        value = record.get(column)
        messages = messages or (value if isinstance(value, list) else None)
    return any(_has_blocks(message) for message in messages or ())


def _has_blocks(message: Any) -> bool:
    if not isinstance(message, dict) or not isinstance(message.get("role"), str):
        return False
    content = message.get("content")
    return isinstance(content, list) and any(
        isinstance(part, dict) and part.get("type") in BLOCKS and not part.get("text")
        for part in content
    )


def _read(record: Any, source: Source) -> Trajectory:
    chat = Chat()
    if isinstance(record, list):
        add_messages(chat, record)
        folder = PurePosixPath(source.path).parent.name
        instance = folder if source.stem == "api_conversation_history" and folder else source.stem
        facts = Facts(instance_id=instance)
        return assemble(source, ANTHROPIC, chat.messages, facts, chat.parts[-1].codes)
    column = next((name for name in COLUMNS if record.get(name)), COLUMNS[0])
    if record.get("system"):
        chat.tell("system", text_blocks(record["system"]))
    add_messages(chat, listing(record, column) or [])
    plain = {key: value for key, value in record.items() if key not in (*COLUMNS, "tools")}
    offered = [as_function(tool) for tool in listing(record, "tools") or []]
    plain |= {"messages": chat.messages, "tools": offered or None}
    return read_row(plain, source, ANTHROPIC, {}, chat.parts[-1].codes)


READERS = (Reader(ANTHROPIC, is_blocks, _read, lists=True),)


def add_messages(chat: Chat, messages: list[Any]) -> None:
    """Append messages of the API. Raises RecordError."""
    for place, message in enumerate(messages):
        if not isinstance(message, dict):
            raise wrong_type(f"messages[{place}]", message, "an object")
        role, content = message.get("role"), message.get("content")
        if role == "assistant":
            chat.end_turn()
            add_turn(chat.turn(), content)
        elif role == "user":
            add_answers(chat, content)
        else:
            chat.tell(role if isinstance(role, str) else "", text_blocks(content))


def add_turn(turn: Turn, content: Any) -> None:
    """Put the blocks of an assistant's message into a turn."""
    if isinstance(content, str):
        turn.say(content)
    for block in content if isinstance(content, list) else ():
        if not isinstance(block, dict):
            continue
        if block.get("type") == "tool_use":
            turn.call(block.get("id"), block.get("name"), block.get("input"))
        elif block.get("type") == "thinking":
            turn.think(block.get("thinking"))
        else:
            turn.say(block.get("text"))


def add_answers(chat: Chat, content: Any) -> None:
    """Append a user's message: first the answers among its blocks, then what else it says."""
    if not isinstance(content, list):
        chat.tell("user", content)
        return
    said = []
    for block in content:
        if isinstance(block, dict) and block.get("type") == "tool_result":
            code = FAILED if block.get("is_error") is True else None
            chat.answer(block.get("tool_use_id"), text_blocks(block.get("content")), code)
        else:
            said.append(block)
    if said:
        chat.tell("user", text_blocks(said))


def text_blocks(content: Any) -> Any:
    """Blocks as one text where all of them are text, else as they came."""
    if content is None:
        return ""
    if not isinstance(content, list):
        return content
    texts = [part.get("text") if isinstance(part, dict) else part for part in content]
    said = [text for text in texts if isinstance(text, str)]
    return "\n".join(said) if len(said) == len(texts) else content


def as_function(tool: Any) -> dict[str, Any]:
    """A tool of the Messages API as OpenAI's API describes it; others stay as they are."""
    if not isinstance(tool, dict):
        raise RecordError("field 'tools' holds a tool that is not an object")
    if "input_schema" not in tool:
        return tool
    function = {"name": tool.get("name"), "description": tool.get("description")}
    function = {key: value for key, value in function.items() if value is not None}
    return {"type": "function", "function": {**function, "parameters": tool["input_schema"]}}
