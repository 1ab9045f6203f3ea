"""Sessions of two more programs for the terminal: Gemini CLI (`chats/session-*.json`, as JSON Lines
since 0.40), and what `opencode export SESSION` prints.

A Gemini message holds its calls with their answers. In its lines `message_update` changes a message
and `$rewindTo` takes back what followed one. An opencode message is a list of parts; `step-start`
begins a call of the model, and a message with `summary` is all that the model sees from there on.
"""

import re
from typing import Any

from srft_assets.trajectories.formats.anthropic import text_blocks
from srft_assets.trajectories.formats.responses import section_of
from srft_assets.trajectories.model import RecordError, Trajectory
from srft_assets.trajectories.reader import (
    Facts,
    Reader,
    Source,
    holds,
    identifier,
    listing,
    wrong_type,
)
from srft_assets.trajectories.turns import Chat, child_id

GEMINI, OPENCODE = "gemini-cli", "opencode"
EXIT_CODE = re.compile(r"^Exit Code: (-?\d{1,9})\s*$", re.MULTILINE)
TAIL_CHARS = 400
ENDED = ("completed", "error")


def is_gemini(record: Any, path: str) -> bool:
    """Whether an object, or lines, are a session of Gemini CLI."""
    if isinstance(record, dict):
        return "sessionId" in record and holds(record.get("messages"), "id", "type")
    first = record[0] if record else None
    return (
        isinstance(first, dict)
        and {"sessionId", "projectHash"} <= first.keys()
        and "type" not in first
    )


class _Session:
    """A session of Gemini CLI so far: messages may still change until something is taken back."""

    def __init__(self) -> None:
        self.chat = Chat()
        self.stated: dict[str, Any] = {}
        self.model: str | None = None
        self._messages: list[Any] = []
        self._told = 0

    def add(self, line: Any) -> None:
        """Take a line, or a message. Raises RecordError."""
        if line is None:
            return
        if not isinstance(line, dict):
            raise wrong_type("messages[]", line, "an object")
        if "$rewindTo" in line:
            self._go_back(self._place(line["$rewindTo"]) or 0)
        elif isinstance(line.get("$set"), dict):
            self.stated |= line["$set"]
            if isinstance(line["$set"].get("messages"), list):
                self._replace(line["$set"]["messages"])
        elif "type" not in line:
            self.stated |= line
        elif (place := self._place(line.get("id"))) is None:
            self._messages.append(line)
        else:
            kept = {k: v for k, v in line.items() if (k, v) != ("type", "message_update")}
            self._messages[place] = self._messages[place] | kept

    def finish(self) -> None:
        """Put what is not in the chat yet into it."""
        for message in self._messages[self._told :]:
            model = _add_gemini(self.chat, message)
            self.model = self.model or model
        self._told = len(self._messages)

    def _replace(self, messages: list[Any]) -> None:
        """All messages anew: what is not among them any more was compressed, or taken back."""
        known = {self._place(one.get("id")) for one in messages if isinstance(one, dict)}
        if known.issuperset(range(len(self._messages))):
            for message in messages:
                self.add(message)
            return
        self.finish()
        self._messages = [one for one in messages if isinstance(one, dict)]
        self._rewrite()

    def _go_back(self, place: int) -> None:
        self.finish()
        del self._messages[place:]
        self._rewrite()

    def _rewrite(self) -> None:
        kept = Chat()
        for message in self._messages:
            _add_gemini(kept, message)
        self.chat.rewrite(kept.messages)
        self._told = len(self._messages)

    def _place(self, named: object) -> int | None:
        places = range(len(self._messages))
        found = (n for n in places if self._messages[n].get("id") == named)
        return next(found, None) if isinstance(named, str) else None


def _read_gemini(record: Any, source: Source) -> list[Trajectory]:
    session = _Session()
    if isinstance(record, dict):
        session.stated = record
    for line in record if isinstance(record, list) else listing(record, "messages") or []:
        session.add(line)
    session.finish()
    stated = identifier(session.stated, "sessionId")
    facts = Facts(scaffold=GEMINI, model=session.model, stated_id=stated)
    return session.chat.runs(source, GEMINI, facts)


def _add_gemini(chat: Chat, message: dict[str, Any]) -> str | None:
    """Append one message of Gemini CLI; its model. What is told to the user alone is none."""
    content = text_blocks(message.get("content"))
    if message.get("type") == "user":
        chat.tell("user", content)
    if message.get("type") != "gemini":
        return None
    chat.end_turn()
    turn = chat.turn()
    for thought in listing(message, "thoughts") or []:
        said = (section_of(thought).get(key) for key in ("subject", "description"))
        turn.think("\n".join(one for one in said if isinstance(one, str)))
    turn.say(content)
    calls = [one for one in listing(message, "toolCalls") or [] if isinstance(one, dict)]
    for call in calls:
        turn.call(call.get("id"), call.get("name"), call.get("args"))
    for call in calls:
        for told in _gemini_results(call):
            stated = EXIT_CODE.findall(told[-TAIL_CHARS:])
            chat.answer(call.get("id"), told, int(stated[-1]) if stated else None, call.get("name"))
    model = message.get("model")
    return model if isinstance(model, str) else None


def _gemini_results(call: dict[str, Any]) -> list[str]:
    results = call.get("result")
    told = []
    for result in results if isinstance(results, list) else ():
        answer = section_of(result, "functionResponse", "response")
        said = [answer[key] for key in ("output", "error") if isinstance(answer.get(key), str)]
        told.append("\n".join(said))
    return told


def is_opencode(record: Any, path: str) -> bool:
    """Whether an object is an export: messages of `info` and `parts`."""
    return isinstance(record.get("info"), dict) and holds(record.get("messages"), "info", "parts")


def _read_opencode(record: Any, source: Source) -> list[Trajectory]:
    chat, model, status = Chat(), None, None
    for place, message in enumerate(listing(record, "messages") or []):
        if not isinstance(message, dict):
            raise wrong_type(f"messages[{place}]", message, "an object")
        info, parts = section_of(message, "info"), listing(message, "parts") or []
        if info.get("role") == "user":
            _add_prompt(chat, parts)
        elif info.get("role") == "assistant":
            if info.get("summary") is True:
                chat.rewrite([])
            _add_parts(chat, parts)
            if info.get("summary") is True:
                chat.rewrite(chat.parts.pop().messages)
            names = (info.get("providerID"), info.get("modelID"))
            model = model or "/".join(one for one in names if isinstance(one, str)) or None
            status = section_of(info, "error").get("name")
        else:
            raise RecordError(f"'messages[{place}].info' has no role user or assistant")
    about = section_of(record, "info")
    facts = Facts(
        scaffold=OPENCODE,
        model=model,
        exit_status=status if isinstance(status, str) else None,
        stated_id=child_id(about.get("parentID"), about.get("id")),
    )
    return chat.runs(source, OPENCODE, facts)


def _add_prompt(chat: Chat, parts: list[Any]) -> None:
    said = [one for one in parts if isinstance(one, dict) and not one.get("ignored")]
    texts = [one["text"] for one in said if isinstance(one.get("text"), str)]
    if texts:
        chat.tell("user", "\n".join(texts))


def _add_parts(chat: Chat, parts: list[Any]) -> None:
    chat.end_turn()
    waiting: list[tuple[Any, dict[str, Any]]] = []
    for part in parts:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind in ("step-start", "step-finish"):
            _answer(chat, waiting)
            chat.end_turn()
        elif kind == "text":
            chat.turn().say(part.get("text"))
        elif kind == "reasoning":
            chat.turn().think(part.get("text"))
        elif kind == "tool":
            state = section_of(part, "state")
            chat.turn().call(part.get("callID"), part.get("tool"), state.get("input"))
            waiting.append((part.get("callID"), state))
    _answer(chat, waiting)


def _answer(chat: Chat, waiting: list[tuple[Any, dict[str, Any]]]) -> None:
    for call_id, state in waiting:
        if state.get("status") in ENDED:
            said = state.get("output") if state["status"] == "completed" else state.get("error")
            chat.answer(call_id, said or "", section_of(state, "metadata").get("exit"))
    waiting.clear()


READERS = (
    Reader(GEMINI, is_gemini, _read_gemini, lists=True, lines=True, patches=False),
    Reader(OPENCODE, is_opencode, _read_opencode, patches=False),
)
