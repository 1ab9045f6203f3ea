"""OpenHands SDK 1.x: its events as lines (`events.jsonl`), or as `history` of `output.jsonl`.

The chat is what the events of `to_llm_message` say: prompts, messages, actions (those of one
`llm_response_id` are one turn), observations, errors of the scaffold. `Condensation` forgets events
and puts a summary in their place: from there on it is another context.
"""

from typing import Any

from srft_assets.trajectories.formats.anthropic import text_blocks
from srft_assets.trajectories.formats.openhands import resolved_of, shell_text
from srft_assets.trajectories.formats.responses import section_of
from srft_assets.trajectories.model import RecordError, Trajectory
from srft_assets.trajectories.reader import (
    Facts,
    Reader,
    Source,
    identifier,
    listing,
    section,
    text,
    wrong_type,
)
from srft_assets.trajectories.turns import Chat

SDK = "openhands-sdk"
LOOKED_AT = 20
KINDS = frozenset(
    {"SystemPromptEvent", "MessageEvent", "ActionEvent", "ObservationEvent", "AgentErrorEvent"}
    | {"UserRejectObservation", "CondensationSummaryEvent"}
)
"""Events that the model sees."""
SUMMARY = "CondensationSummaryEvent"


def is_events(record: Any, path: str) -> bool:
    """Whether a list, or the history of a row, holds events with a kind of the SDK."""
    events = record.get("history") if isinstance(record, dict) else record
    return isinstance(events, list) and any(
        isinstance(event, dict) and isinstance(event.get("kind"), str) and event["kind"] in KINDS
        for event in events[:LOOKED_AT]
    )


class _View:
    """The events that the model sees now, and the chat so far."""

    def __init__(self) -> None:
        self.chat = Chat()
        self.model: str | None = None
        self.ended: str | None = None
        self.tools: list[dict[str, Any]] = []
        self._seen: list[dict[str, Any]] = []

    def add(self, event: dict[str, Any]) -> None:
        """Take an event. Raises RecordError."""
        kind = event.get("kind")
        if kind == "Condensation":
            self._condense(event)
        elif kind == "ConversationStateUpdateEvent":
            self._state(event)
        elif isinstance(kind, str) and kind in KINDS:
            self._seen.append(event)
            _tell(self.chat, event)
            for tool in event.get("tools") or [] if kind == "SystemPromptEvent" else []:
                if isinstance(tool, dict) and isinstance(tool.get("function"), dict):
                    self.tools.append(tool)

    def _condense(self, event: dict[str, Any]) -> None:
        stated = event.get("forgotten_event_ids")
        gone = {one for one in stated if isinstance(one, str)} if isinstance(stated, list) else ()
        kept = [one for one in self._seen if str(one.get("id")) not in gone]
        at, summary = event.get("summary_offset"), event.get("summary")
        if isinstance(summary, str) and isinstance(at, int):
            own = f"{event.get('id')}-summary"
            kept.insert(max(at, 0), {"kind": SUMMARY, "id": own, "summary": summary})
        if len(kept) == len(self._seen) and not gone:
            return
        self._seen, context = kept, Chat()
        for one in kept:
            _tell(context, one)
        self.chat.rewrite(context.messages)

    def _state(self, event: dict[str, Any]) -> None:
        key, value = event.get("key"), event.get("value")
        if key == "execution_status" and isinstance(value, str):
            self.ended = value
        elif key == "full_state":
            model = section_of(value, "agent", "llm").get("model")
            self.model = model if isinstance(model, str) else self.model


def _tell(chat: Chat, event: dict[str, Any]) -> None:
    """Append what the model sees of an event."""
    kind = event["kind"]
    if kind == "SystemPromptEvent":
        parts = [event.get("system_prompt"), event.get("dynamic_context")]
        chat.tell("system", text_blocks([part for part in parts if part]))
    elif kind == "MessageEvent":
        _tell_message(chat, event)
    elif kind == "ActionEvent":
        call = section(event, "tool_call")
        turn = chat.turn(event.get("llm_response_id"))
        turn.think(event.get("reasoning_content"))
        turn.say(_text(event.get("thought")))
        name = call.get("name") or event.get("tool_name")
        turn.call(call.get("id") or event.get("tool_call_id"), name, call.get("arguments"))
    elif kind == SUMMARY:
        chat.tell("user", text(event, "summary") or "")
    else:
        content, code = _answer(event)
        chat.answer(event.get("tool_call_id"), content, code, event.get("tool_name"))


def _tell_message(chat: Chat, event: dict[str, Any]) -> None:
    message = section(event, "llm_message")
    content = message.get("content")
    more = listing(event, "extended_content") or []
    said = text_blocks([*content, *more]) if isinstance(content, list) else content
    role = message.get("role")
    if not isinstance(role, str):
        raise RecordError("a MessageEvent whose 'llm_message' has no role")
    if role != "assistant":
        chat.tell(role, said)
        return
    turn = chat.turn(event.get("llm_response_id"))
    turn.think(message.get("reasoning_content"))
    turn.say(said)
    chat.end_turn()


def _answer(event: dict[str, Any]) -> tuple[Any, int | None]:
    """Text and return code of what answered an action, as the SDK tells it to the model."""
    if event["kind"] == "AgentErrorEvent":
        return text(event, "error") or "", None
    if event["kind"] == "UserRejectObservation":
        return f"Action rejected: {text(event, 'rejection_reason') or ''}", None
    seen = section(event, "observation")
    content = seen.get("content") if seen.get("content") is not None else seen.get("output")
    said = (
        text_blocks([*content, *(listing(event, "extended_content") or [])])
        if isinstance(content, list)
        else text_blocks(content)
    )
    code = seen.get("exit_code")
    number = code if isinstance(code, int) and not isinstance(code, bool) and code != -1 else None
    metadata = section(seen, "metadata")
    if metadata and isinstance(said, str):
        said = shell_text(said, metadata, number)
    return said, number


def _text(parts: Any) -> object:
    return text_blocks(parts) if isinstance(parts, list) else parts


def _named(source: Source) -> str | None:
    return None if source.stem == "events" else source.stem


def _read(record: Any, source: Source) -> list[Trajectory]:
    events, row = (record, {}) if isinstance(record, list) else (listing(record, "history"), record)
    view = _View()
    for place, event in enumerate(events or []):
        if not isinstance(event, dict):
            raise wrong_type(f"history[{place}]", event, "an object")
        view.add(event)
    result = section(row, "test_result")
    metadata = section_of(row, "metadata")
    llm = section_of(metadata, "llm") or section_of(metadata, "llm_config")
    facts = Facts(
        instance_id=identifier(row, "instance_id") or (None if row else _named(source)),
        scaffold="openhands",
        model=text(llm, "model") or view.model,
        exit_status=text(row, "error") or view.ended,
        submission=text(result if "git_patch" in result else row, "git_patch"),
        resolved=resolved_of(row, result),
        tools=view.tools or None,
    )
    return view.chat.runs(source, SDK, facts, "history")


READERS = (Reader(SDK, is_events, _read, lists=True, lines=True, patches=False),)
