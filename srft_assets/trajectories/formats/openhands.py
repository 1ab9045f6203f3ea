"""OpenHands: calls of the model that were logged, and events.

A completion (`completions/*.json`, `llm_completions/<instance>/<model>-<time>.json`) holds the
whole chat where it is the last of its run; file or folder name the task. Events are the flat
`history` of `output.jsonl` rows, or a bare list, of 0.9 and later. With function calling (0.13 and
later) an event carries the model's own response in `tool_call_metadata`. Before, the text is put
together as CodeActAgent's `action_to_str` and `get_observation_message` did. Events between
scaffold and user interface are no chat. A `condensation` forgets events and may put a summary in
their place: from there on it is another context.
"""

import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import orjson

from srft_assets.trajectories.model import Trajectory, text_of
from srft_assets.trajectories.reader import (
    Facts,
    Reader,
    RecordError,
    Source,
    assemble,
    holds,
    identifier,
    listing,
    outcome,
    section,
    text,
    tools,
    wrong_type,
)
from srft_assets.trajectories.turns import Chat

COMPLETION, EVENTS = "openhands-completion", "openhands-events"
CALLS_FOLDER = "llm_completions"
"""Every LLM call of a run is kept in `llm_completions/<instance>/<model>-<time>.json`."""
TIMED = re.compile(r".*-\d{9,11}(\.\d+)?(?:-[0-9a-f]{4})?")
"""Name of the log of one call, without `.json`; the SDK puts four random digits behind it."""
NO_CHAT = frozenset({"agent_state_changed", "null", "recall", "condense", "success"})
NO_CHAT_ACTIONS = frozenset(
    {"change_agent_state", "recall", "condensation_request", "null"}
    | {"pause", "resume", "stop", "start", "init"}
)
UNSEEN = frozenset({"null", "change_agent_state", "agent_state_changed"})
"""What is no event of the run to the agent either; a summary's place is counted without it."""
SUMMARY = -1
"""Place of the last summary, which stands for those before it."""
NO_RUNNING_CODE = -1
"""OpenHands states this while a command has not ended."""
CODE_BLOCKS = {
    "run": ("execute_bash", "command"),
    "run_ipython": ("execute_ipython", "code"),
    "browse_interactive": ("execute_browse", "browser_actions"),
}
"""Action → the tag around it and the argument inside, in the text protocol."""
EVENT_KEYS = ("action", "thought", "source", "id", "timestamp", "message", "cause")
"""Of an action without arguments of its own, what is none."""


def is_completion(record: dict[str, Any], path: str) -> bool:
    """A request (`messages`) together with its `response.choices`."""
    response = record.get("response")
    return (
        isinstance(record.get("messages"), list)
        and isinstance(response, dict)
        and "choices" in response
    )


def is_events(record: Any, path: str) -> bool:
    """A list of events, bare or as `history`."""
    if isinstance(record, dict) and holds(record.get("trajectory"), "response"):
        return False
    events = record.get("history") if isinstance(record, dict) else record
    return (holds(events, "action") or holds(events, "observation")) and not holds(events, "role")


def _read_completion(record: dict[str, Any], source: Source) -> Trajectory:
    """The run that ends with this call."""
    response = section(record, "response")
    choices = listing(response, "choices") or []
    answer = choices[0].get("message") if choices and isinstance(choices[0], dict) else None
    if not isinstance(answer, dict):
        raise RecordError("field 'response.choices' holds no message")
    place = PurePosixPath(source.path).parent
    named: str | None = source.stem
    if TIMED.fullmatch(source.stem) is not None:
        named = place.name if place.parent.name == CALLS_FOLDER else None
    raw_messages = [*(listing(record, "messages") or [])]
    in_text = _calls_in_text(raw_messages)
    if answer.get("tool_calls") and in_text:
        answer = _as_text(record)
    raw_messages.append({"role": "assistant", **answer})
    facts = Facts(
        instance_id=identifier(record, "instance_id") or named,
        scaffold="openhands",
        model=text(response, "model"),
        tools=tools(section(record, "kwargs")) or (None if in_text else tools(record)),
    )
    return assemble(source, COMPLETION, raw_messages, facts)


def _as_text(record: dict[str, Any]) -> dict[str, Any]:
    """The last answer as a model without native calls wrote it, before the SDK made it a call."""
    choices = section(record, "raw_response").get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    answer = section(first, "message") if isinstance(first, dict) else {}
    if not isinstance(answer.get("content"), str):
        raise RecordError(
            "the answer's calls are native, and those of the turns before it stand in their text: "
            "the log of a model without native calls, and without its 'raw_response'"
        )
    return {"content": answer["content"]}


def _calls_in_text(messages: list[Any]) -> bool:
    """Whether an assistant's turn holds a call as OpenHands writes it into the text."""
    said = [one for one in messages if isinstance(one, dict) and one.get("role") == "assistant"]
    return any("<function=" in text_of(one.get("content")) for one in said)


def _read_events(record: Any, source: Source) -> list[Trajectory]:
    events, row = (record, {}) if isinstance(record, list) else (listing(record, "history"), record)
    seen = _EventChat()
    for place, event in enumerate(events or []):
        seen.add(event, place)
    result = section(row, "test_result")
    facts = Facts(
        instance_id=identifier(row, "instance_id") or _issue(row) or source.stem,
        scaffold="openhands",
        model=text(section(row, "metadata", "llm_config"), "model") or seen.model,
        exit_status=text(row, "error") or None,
        submission=text(result if "git_patch" in result else row, "git_patch"),
        resolved=resolved_of(row, result),
        tools=seen.tools,
    )
    return seen.chat.runs(source, EVENTS, facts, "history")


READERS = (
    Reader(COMPLETION, is_completion, _read_completion),
    Reader(EVENTS, is_events, _read_events, lists=True),
)


def _issue(record: dict[str, Any]) -> str | None:
    """The resolver names an issue instead of an instance."""
    issue = section(record, "issue")
    if not issue:
        return None
    owner, repo = identifier(issue, "owner"), identifier(issue, "repo")
    return f"{owner}__{repo}-{identifier(issue, 'number')}"


def resolved_of(record: dict[str, Any], result: dict[str, Any]) -> bool | None:
    """As the grading report says. The resolver's `success` is the model's own opinion."""
    for report in (section(record, "report"), section(result, "report"), record):
        if report.get("resolved") is not None:
            return outcome(report, "resolved")
    return None


@dataclass(slots=True)
class _EventChat:
    """The chat so far, the events that the model sees now, tools, model."""

    chat: Chat = field(default_factory=Chat)
    seen: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    tools: list[dict[str, Any]] | None = None
    model: str | None = None
    answered: set[tuple[str, bytes]] = field(default_factory=set)

    def add(self, event: Any, place: int) -> None:
        """Append what an event adds to the chat, if anything. Raises RecordError."""
        if not isinstance(event, dict):
            raise wrong_type(f"history[{place}]", event, "an object")
        kind = event.get("observation") or event.get("action")
        if not isinstance(kind, str):
            raise RecordError(f"'history[{place}]' is neither an action nor an observation")
        if kind == "condensation":
            self._condense(event)
            return
        if kind not in UNSEEN:
            self.seen.append((place, event))
        if event.get("observation"):
            self._observe(event, kind)
        elif kind not in NO_CHAT_ACTIONS:
            self._act(event, kind)

    def _condense(self, event: dict[str, Any]) -> None:
        """Forget events, by their ids or from one to another, and tell the summary of them."""
        said = section(event, "args") or event
        first, last = (said.get(f"forgotten_events_{end}_id") for end in ("start", "end"))
        gone = set(map(str, listing(said, "forgotten_event_ids") or []))
        if isinstance(first, int) and isinstance(last, int):
            gone |= {str(one.get("id")) for _, one in self.seen if first <= _id(one) <= last}
        kept = [
            (place, one)
            for place, one in self.seen
            if place != SUMMARY and str(one.get("id")) not in gone
        ]
        if len(kept) == len(self.seen):
            return
        summary, at = text(said, "summary"), said.get("summary_offset")
        if summary is not None and isinstance(at, int):
            told = {"action": "message", "source": "user", "args": {"content": summary}}
            kept.insert(max(at, 0), (SUMMARY, told))
        context = _EventChat()
        for place, one in kept:
            context.add(one, place)
        self.seen, self.answered = kept, context.answered
        self.chat.rewrite(context.chat.messages)

    def _act(self, event: dict[str, Any], kind: str) -> None:
        arguments = section(event, "args") or event
        if kind == "system":
            self.chat.messages.append({"role": "system", "content": arguments.get("content")})
            self.tools = tools(arguments)
        elif kind == "message":
            role = "assistant" if event.get("source") == "agent" else "user"
            self.chat.messages.append({"role": role, "content": arguments.get("content")})
        elif event.get("source", "agent") == "agent" and not self._answer(event):
            said = _action_text(kind, arguments)
            self.chat.messages.append({"role": "assistant", "content": said})

    def _answer(self, event: dict[str, Any]) -> bool:
        """Append the model's response that an action belongs to, once for all its actions.

        Its id alone does not tell: some servers state none, or the same one each time.
        """
        response = section(event, "tool_call_metadata", "model_response")
        choices = response.get("choices")
        if not isinstance(choices, list) or not choices:
            return False
        message = section(choices[0], "message") if isinstance(choices[0], dict) else {}
        if not message:
            return False
        self.model = self.model or (m if isinstance(m := response.get("model"), str) else None)
        key = str(response.get("id")), orjson.dumps(message)
        if key not in self.answered:
            self.answered.add(key)
            self.chat.messages.append({**message, "role": "assistant"})
        return True

    def _observe(self, event: dict[str, Any], kind: str) -> None:
        if kind in NO_CHAT:
            return
        call = section(event, "tool_call_metadata")
        answer, code = _observation_text(event, kind, bool(call))
        message: dict[str, Any] = {"role": "user", "content": answer}
        if call:
            message = {"role": "tool", "content": answer, "name": call.get("function_name")}
            message["tool_call_id"] = call.get("tool_call_id")
        if code is not None:
            codes = self.chat.parts[-1].codes
            codes[len(self.chat.messages)] = None if code == NO_RUNNING_CODE else code
        self.chat.messages.append(message)


def _id(event: dict[str, Any]) -> int:
    own = event.get("id")
    return own if isinstance(own, int) else -1


def _action_text(kind: str, arguments: dict[str, Any]) -> str:
    """An action of the text protocol, as the model wrote it."""
    thought = arguments.get("thought") or ""
    if not isinstance(thought, str):
        raise wrong_type("args.thought", thought, "text")
    if kind in CODE_BLOCKS:
        tag, key = CODE_BLOCKS[kind]
        return f"{thought}\n<{tag}>\n{arguments.get(key) or ''}\n</{tag}>".lstrip("\n")
    if kind in ("finish", "think"):
        return thought
    given = {key: value for key, value in arguments.items() if key not in EVENT_KEYS}
    body = orjson.dumps({"action": kind, "args": given}).decode()
    return f"{thought}\n{body}".lstrip("\n")


def _observation_text(
    event: dict[str, Any], kind: str, function_calling: bool
) -> tuple[str, int | None]:
    """Text and return code (None where none is stated) of an observation event.

    Follows `CmdOutputObservation.to_agent_observation` (0.17 and later) where the event has the
    shell's metadata, and CodeActAgent's `OBSERVATION:` texts where there is no function calling.
    """
    content = event.get("content")
    if content is None:
        content = ""
    if not isinstance(content, str):
        raise wrong_type("history[].content", content, "text")
    extras = section(event, "extras")
    metadata = section(extras, "metadata")
    code = _code(metadata, extras, event)
    if metadata:
        return shell_text(content, metadata, code), code
    if kind == "edit" and isinstance(extras.get("formatted_output_and_error"), str):
        return extras["formatted_output_and_error"], code
    if function_calling:
        return content, code
    content = f"OBSERVATION:\n{content}"
    if kind == "run" and code is not None:
        number = extras.get("command_id", event.get("command_id"))
        content += f"\n[Command {number} finished with exit code {code}]"
    if kind == "error":
        content += "\n[Error occurred in processing last action]"
    return content, code


def _code(*places: dict[str, Any]) -> int | None:
    for place in places:
        code = place.get("exit_code")
        if isinstance(code, int) and not isinstance(code, bool):
            return code
    return None


def shell_text(content: str, metadata: dict[str, Any], code: int | None) -> str:
    output = f"{metadata.get('prefix') or ''}{content}{metadata.get('suffix') or ''}"
    if metadata.get("working_dir"):
        output += f"\n[Current working directory: {metadata['working_dir']}]"
    if metadata.get("py_interpreter_path"):
        output += f"\n[Python interpreter: {metadata['py_interpreter_path']}]"
    if code is not None and code != -1:
        output += f"\n[Command finished with exit code {code}]"
    return output
