"""Items of OpenAI's Responses API: lists of them, and the rollouts of the Codex CLI
(`~/.codex/sessions/**/rollout-*.jsonl`), whose lines wrap them.

Items that follow each other without an answer between them are one turn. In a rollout `event_msg`
lines repeat for the screen what the items say, and are not read but for how the run ended.
`compacted` replaces the context, `thread_rolled_back` takes the last prompts back. A fork, and a
subagent that is given its parent's history, begins with a copy of it, which is written at once.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from srft_assets.trajectories.formats.anthropic import text_blocks
from srft_assets.trajectories.model import RecordError, Trajectory
from srft_assets.trajectories.reader import (
    Facts,
    Reader,
    Source,
    identifier,
    is_list_text,
    kind_of,
    listing,
    outcome,
    parsed,
    text,
    tools,
    wrong_type,
)
from srft_assets.trajectories.turns import Chat, child_id, of_reward

RESPONSES, CODEX = "openai-responses", "codex"
LOOKED_AT = 50
CALLS = {"function_call": "arguments", "custom_tool_call": "input", "local_shell_call": "action"}
"""Type of an item → the field of its arguments."""
ANSWERS = tuple(f"{kind}_output" for kind in CALLS)
NATIVE = (*CALLS, *ANSWERS)
BUILT_IN = re.compile(r"(web_search|file_search|code_interpreter|image_generation|computer)_call")
"""Calls that the server answers itself; their answer is in none of the items."""
ROLLOUT = frozenset({"session_meta", "response_item", "event_msg", "turn_context", "compacted"})
EXIT_CODE = re.compile(r"(?:Exit code|Process exited with code):? (-?\d{1,9})\b")
HEAD_CHARS = 400
PAUSE = timedelta(seconds=0.5)
"""Between the copied lines of a fork and those of its own; a model takes longer to answer."""
ENDS = {"task_complete": "task_complete", "turn_complete": "task_complete"}


def is_items(record: Any, path: str) -> bool:
    """Whether a list, bare or in a field, holds a call or an answer as an item."""
    if isinstance(record, list):
        return _has_calls(record)
    return any(_has_calls(record.get(name)) for name in ("messages", "input", "output", "items"))


def _has_calls(items: Any) -> bool:
    return isinstance(items, list) and any(
        isinstance(item, dict) and item.get("role") is None and item.get("type") in NATIVE
        for item in items
    )


def add_items(chat: Chat, items: list[Any], field: str = "messages") -> None:
    """Append items to a chat. Raises RecordError for one of no known type."""
    for place, item in enumerate(items):
        if not isinstance(item, dict):
            raise wrong_type(f"{field}[{place}]", item, "an object")
        kind = item.get("type") or "message"
        if not isinstance(kind, str):
            raise wrong_type(f"{field}[{place}].type", kind, "text")
        if kind == "message":
            _add_message(chat, item)
        elif kind == "reasoning":
            for part in (*_parts(item, "summary"), *_parts(item, "content")):
                chat.turn().think(part)
        elif kind in CALLS:
            name = item.get("name") or kind.removesuffix("_call")
            chat.turn().call(item.get("call_id") or item.get("id"), name, item.get(CALLS[kind]))
        elif kind in ANSWERS:
            content, code = answered(item.get("output"))
            chat.answer(item.get("call_id"), content, code)
        elif BUILT_IN.fullmatch(kind):
            given = {k: v for k, v in item.items() if k not in ("type", "id", "status")}
            chat.turn().call(item.get("id"), kind.removesuffix("_call"), given)


def _add_message(chat: Chat, item: dict[str, Any]) -> None:
    role, content = item.get("role"), _plain(item.get("content"))
    if role == "assistant" and isinstance(content, str):
        chat.turn().say(content)
    elif isinstance(role, str):
        chat.tell(role, content)
    else:
        raise RecordError(f"a message whose role is {kind_of(role)}")


def _plain(content: Any) -> Any:
    """`input_text` and `output_text` parts as one text; with other parts, as they came."""
    return "" if content is None else text_blocks(content)


def _parts(item: dict[str, Any], field: str) -> list[Any]:
    parts = item.get(field)
    said = parts if isinstance(parts, list) else ()
    return [part.get("text") if isinstance(part, dict) else part for part in said]


def answered(output: Any) -> tuple[Any, int | None]:
    """Text and return code of an answer: Codex wraps both in JSON, or writes the code first."""
    if isinstance(output, str) and output[:1] == "{" and '"metadata"' in output:
        try:
            output = parsed("output", output)
        except RecordError:
            return output, None
    if isinstance(output, dict):
        code = section_of(output, "metadata").get("exit_code")
        said = output.get("output") if "output" in output else output.get("content")
        return _plain(said), code if isinstance(code, int) else None
    said = _plain(output)
    stated = EXIT_CODE.search(said[:HEAD_CHARS]) if isinstance(said, str) else None
    return said, int(stated[1]) if stated else None


def section_of(record: Any, *names: str) -> dict[str, Any]:
    """The object at a path of fields; empty where there is none, whatever stands there."""
    for name in names:
        record = record.get(name) if isinstance(record, dict) else None
    return record if isinstance(record, dict) else {}


def _read_items(record: Any, source: Source) -> list[Trajectory]:
    chat = Chat()
    if isinstance(record, list):
        add_items(chat, record, "record")
        return chat.runs(source, RESPONSES, Facts(instance_id=source.stem))
    told = text(record, "instructions") if isinstance(record.get("instructions"), str) else None
    if told:
        chat.tell("system", told)
    for name in ("messages", "items", "input", "output"):
        value = record.get(name)
        if name == "input" and isinstance(value, str) and not is_list_text(value):
            chat.tell("user", value)
            continue
        add_items(chat, listing(record, name) or [], name)
    resolved = outcome(record, "resolved")
    facts = Facts(
        instance_id=identifier(record, "instance_id", "task_id"),
        model=text(record, "model", "model_name", "model_name_or_path"),
        exit_status=text(record, "exit_status"),
        submission=text(record, "patch", "model_patch", "submission"),
        resolved=of_reward(record.get("reward")) if resolved is None else resolved,
        tools=tools(record),
    )
    return chat.runs(source, RESPONSES, facts)


def is_rollout(record: Any, path: str) -> bool:
    """Whether lines are of a Codex rollout: a type of its own, and a payload."""
    lines = record[:LOOKED_AT] if isinstance(record, list) else ()
    return any(
        isinstance(line, dict)
        and isinstance(line.get("payload"), dict)
        and isinstance(line.get("type"), str)
        and line["type"] in ROLLOUT
        for line in lines
    )


class _Rollout:
    """A rollout so far."""

    def __init__(self) -> None:
        self.chat = Chat()
        self.session: str | None = None
        self.model: str | None = None
        self.exit_status: str | None = None
        self.copies = False
        """Whether the lines so far are those of another session."""
        self._own: object = None
        self._before: datetime | None = None

    def add(self, kind: str, payload: dict[str, Any], time: datetime | None) -> None:
        """Take a line. Raises RecordError."""
        if self.copies and time and self._before and time - self._before >= PAUSE:
            self._end_copy()
        self._before = time or self._before
        if kind == "session_meta" and self._own is not None:
            self.copies = self.copies or payload.get("id") != self._own
        elif kind == "session_meta":
            spawned = section_of(payload, "source", "subagent", "thread_spawn")
            forked = payload.get("forked_from_id") or spawned.get("forked_from_id")
            self._own, self.copies = payload.get("id"), bool(forked)
            self.session = child_id(spawned.get("parent_thread_id") or forked, self._own)
            base = payload.get("base_instructions") or payload.get("instructions")
            told = base.get("text") if isinstance(base, dict) else base
            if isinstance(told, str) and told:
                self.chat.tell("system", told)
        elif kind == "turn_context" and isinstance(payload.get("model"), str):
            self.model = (not self.copies and self.model) or payload["model"]
        elif kind == "response_item":
            add_items(self.chat, [payload], "payload")
        elif kind == "compacted":
            self._compact(payload)
        elif kind == "event_msg":
            self._event(payload)

    def _end_copy(self) -> None:
        self.chat.only_context()
        self.exit_status = None
        self.copies = False

    def _compact(self, payload: dict[str, Any]) -> None:
        replaced = Chat()
        if isinstance(payload.get("replacement_history"), list):
            add_items(replaced, payload["replacement_history"], "replacement_history")
            context = replaced.messages
        else:
            context = [m for m in self.chat.messages if m["role"] in ("system", "user")]
        if payload.get("message"):
            context = [*context, {"role": "user", "content": payload["message"]}]
        self.chat.rewrite(context)

    def _event(self, payload: dict[str, Any]) -> None:
        kind = payload.get("type")
        if kind == "thread_rolled_back" and isinstance(payload.get("num_turns"), int):
            prompts = [n for n, m in enumerate(self.chat.messages) if m["role"] == "user"]
            back = prompts[-payload["num_turns"] :] if payload["num_turns"] > 0 else []
            if back:
                self.chat.rewrite(self.chat.messages[: back[0]])
        elif isinstance(kind, str) and kind in ENDS:
            self.exit_status = ENDS[kind]
        elif kind in ("turn_aborted", "error"):
            said = payload.get("reason") or payload.get("message")
            self.exit_status = f"{kind}: {said}" if isinstance(said, str) else kind


def _read_rollout(record: Any, source: Source) -> list[Trajectory]:
    if not isinstance(record, list):
        raise RecordError("the record is no list of lines of a rollout")
    rollout = _Rollout()
    for line in record:
        if isinstance(line, dict) and isinstance(line.get("payload"), dict):
            rollout.add(str(line.get("type")), line["payload"], _time(line.get("timestamp")))
    if rollout.copies:
        raise RecordError(
            "a fork of another session without a turn of its own, as far as its timestamps tell"
        )
    facts = Facts(
        scaffold=CODEX,
        model=rollout.model,
        exit_status=rollout.exit_status,
        stated_id=rollout.session,
    )
    return rollout.chat.runs(source, CODEX, facts)


def _time(stated: object) -> datetime | None:
    try:
        time = datetime.fromisoformat(stated) if isinstance(stated, str) else None
    except ValueError:
        return None
    return time.replace(tzinfo=time.tzinfo or UTC) if time else None


READERS = (
    Reader(CODEX, is_rollout, _read_rollout, lists=True, lines=True, patches=False),
    Reader(RESPONSES, is_items, _read_items, lists=True),
)
