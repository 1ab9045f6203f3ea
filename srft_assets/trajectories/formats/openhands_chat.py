"""OpenHands events as the chat that the model saw.

With function calling (0.13 and later) an event carries the model's own response in
`tool_call_metadata`. Before, the text is put together as CodeActAgent's `action_to_str` and
`get_observation_message` did. Events between scaffold and user interface are no chat.
"""

from dataclasses import dataclass, field
from typing import Any

import orjson

from srft_assets.trajectories.fields import RecordError, section, tools, wrong_type


def observation_text(
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
        return _shell_text(content, metadata, code), code
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


def _shell_text(content: str, metadata: dict[str, Any], code: int | None) -> str:
    text = f"{metadata.get('prefix') or ''}{content}{metadata.get('suffix') or ''}"
    if metadata.get("working_dir"):
        text += f"\n[Current working directory: {metadata['working_dir']}]"
    if metadata.get("py_interpreter_path"):
        text += f"\n[Python interpreter: {metadata['py_interpreter_path']}]"
    if code is not None and code != -1:
        text += f"\n[Command finished with exit code {code}]"
    return text


NO_CHAT = frozenset({"agent_state_changed", "null", "recall", "condense", "success"})
NO_CHAT_ACTIONS = frozenset(
    {"change_agent_state", "recall", "condensation", "condensation_request", "null"}
    | {"pause", "resume", "stop", "start", "init"}
)
NO_RUNNING_CODE = -1
"""OpenHands states this while a command has not ended."""


@dataclass(slots=True)
class EventChat:
    """The chat so far: raw messages, return codes by message index, tools, model."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    codes: dict[int, int | None] = field(default_factory=dict)
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
        if event.get("observation"):
            self._observe(event, kind)
        elif kind not in NO_CHAT_ACTIONS:
            self._act(event, kind)

    def _act(self, event: dict[str, Any], kind: str) -> None:
        arguments = section(event, "args") or event
        if kind == "system":
            self.messages.append({"role": "system", "content": arguments.get("content")})
            self.tools = tools(arguments)
        elif kind == "message":
            role = "assistant" if event.get("source") == "agent" else "user"
            self.messages.append({"role": role, "content": arguments.get("content")})
        elif event.get("source", "agent") == "agent" and not self._answer(event):
            text = action_text(kind, arguments)
            self.messages.append({"role": "assistant", "content": text})

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
            self.messages.append({**message, "role": "assistant"})
        return True

    def _observe(self, event: dict[str, Any], kind: str) -> None:
        if kind in NO_CHAT:
            return
        call = section(event, "tool_call_metadata")
        text, code = observation_text(event, kind, bool(call))
        message: dict[str, Any] = {"role": "user", "content": text}
        if call:
            message = {"role": "tool", "content": text, "name": call.get("function_name")}
            message["tool_call_id"] = call.get("tool_call_id")
        if code is not None:
            self.codes[len(self.messages)] = None if code == NO_RUNNING_CODE else code
        self.messages.append(message)


def action_text(kind: str, arguments: dict[str, Any]) -> str:
    """An action of the text protocol, as the model wrote it."""
    thought = arguments.get("thought") or ""
    if not isinstance(thought, str):
        raise wrong_type("args.thought", thought, "text")
    blocks = {
        "run": ("execute_bash", "command"),
        "run_ipython": ("execute_ipython", "code"),
        "browse_interactive": ("execute_browse", "browser_actions"),
    }
    if kind in blocks:
        tag, key = blocks[kind]
        return f"{thought}\n<{tag}>\n{arguments.get(key) or ''}\n</{tag}>".lstrip("\n")
    if kind in ("finish", "think"):
        return thought
    own = ("action", "thought", "source", "id", "timestamp", "message", "cause")
    given = {key: value for key, value in arguments.items() if key not in own}
    body = orjson.dumps({"action": kind, "args": given}).decode()
    return f"{thought}\n{body}".lstrip("\n")
