"""Rows that hold a chat in another form than `messages`: ShareGPT's `conversations`, `prompt` with
`completion` (TRL, verifiers, prime-rl), R2E-Gym's `trajectory_steps`, the normalised form of the
Agent Data Protocol, and messages of LangChain.
"""

import re
from typing import Any

from srft_assets.trajectories.formats.responses import section_of
from srft_assets.trajectories.model import DEMONSTRATION, RecordError, Trajectory
from srft_assets.trajectories.reader import (
    BLOCKS,
    UNKNOWN,
    Facts,
    Reader,
    Source,
    assemble,
    holds,
    identifier,
    is_list_text,
    listing,
    outcome,
    parsed,
    quoted,
    section,
    text,
    tools,
    wrong_type,
)
from srft_assets.trajectories.turns import Chat, json_text, of_reward

SHAREGPT, PROMPTED, R2E, ADP, LANGCHAIN = (
    "sharegpt", "prompt-completion", "r2e-gym", "agent-data-protocol", "langchain",
)  # fmt: skip
SPEAKERS = {
    "system": "system", "human": "user", "user": "user", "tool": "tool", "observation": "tool",
    "gpt": "assistant", "assistant": "assistant", "chatgpt": "assistant", "model": "assistant",
    "function_call": "function_call",
}  # fmt: skip
"""ShareGPT's `from`, and LLaMA-Factory's further words."""
ENTRY = re.compile(r"(.*\w__\w.*)_\d+")
"""What the Agent Data Protocol's data sets put behind an instance, to number its runs; ids that
are none of an instance (`alfworld_155`) name a task by their number."""
WORDS = {"true": True, "false": False}
"""In details, where every value is text."""
SHELL_LANGUAGES = ("bash", "sh", "shell")
KINDS = {"human": "user", "ai": "assistant", "system": "system", "tool": "tool", "function": "tool"}
"""LangChain's types of messages."""


def _facts(record: dict[str, Any], **stated: Any) -> Facts:
    """What such rows state beside the chat, `stated` before the columns. Raises RecordError."""
    resolved = outcome(record, "resolved") if "resolved" in record else None
    facts: dict[str, Any] = {
        "instance_id": identifier(record, "instance_id", "id"),
        "scaffold": UNKNOWN,
        "model": text(record, "model", "model_name", "model_name_or_path"),
        "exit_status": text(record, "exit_status"),
        "submission": text(record, "patch", "model_patch", "git_patch", "submission"),
        "resolved": of_reward(record.get("reward")) if resolved is None else resolved,
        "tools": tools(record),
    }
    return Facts(**(facts | stated))


def is_sharegpt(record: dict[str, Any], path: str) -> bool:
    """`conversations` of `from` and `value`, or of roles; also as JSON text."""
    value = record.get("conversations")
    if isinstance(value, str):
        return value[:200].lstrip()[:1] == "[" and ('"from"' in value or '"role"' in value)
    return holds(value, "from", "value") or holds(value, "role", "content")


def _read_sharegpt(record: dict[str, Any], source: Source) -> list[Trajectory]:
    chat = Chat()
    if isinstance(record.get("system"), str) and record["system"]:
        chat.tell("system", record["system"])
    for place, one in enumerate(listing(record, "conversations") or []):
        if not isinstance(one, dict):
            raise wrong_type(f"conversations[{place}]", one, "an object")
        speaker = one.get("from", one.get("role"))
        role = SPEAKERS.get(speaker) if isinstance(speaker, str) else None
        said = one.get("value", one.get("content"))
        if role is None:
            known = ", ".join(SPEAKERS)
            raise RecordError(f"'conversations[{place}].from' is none of {known}")
        if role == "function_call":
            _called(chat, said, f"conversations[{place}].value")
        elif "from" not in one:
            chat.end_turn()
            if role == "assistant":
                said = said or None
            chat.messages.append({**one, "role": role, "content": said})
        elif role == "assistant":
            if not isinstance(said, str | None):
                raise wrong_type(f"conversations[{place}].value", said, "text")
            chat.end_turn()
            chat.turn().say(said)
            chat.end_turn()
        else:
            chat.tell(role, said)
    return chat.runs(source, SHAREGPT, _facts(record), "conversations")


def _called(chat: Chat, said: Any, where: str) -> None:
    """A turn that is the JSON text of a call, or of a list of calls."""
    given = parsed(where, said) if isinstance(said, str) else said
    chat.end_turn()
    for call in given if isinstance(given, list) else [given]:
        if not isinstance(call, dict):
            raise wrong_type(where, call, "an object")
        chat.turn().call(None, call.get("name"), call.get("arguments"))
    chat.end_turn()


def is_prompted(record: dict[str, Any], path: str) -> bool:
    """A completion of messages, and its prompt."""
    told = "prompt" in record and "messages" not in record
    value = record.get("completion")
    if isinstance(value, str):
        return told and value[:200].lstrip()[:2] in ("[{", "[\n") and '"role"' in value
    return told and holds(value, "role")


def _read_prompted(record: dict[str, Any], source: Source) -> Trajectory:
    prompt = record.get("prompt")
    if isinstance(prompt, str) and not is_list_text(prompt):
        told: list[Any] = [{"role": "user", "content": prompt}]
    else:
        told = [_context(one) for one in listing(record, "prompt") or []]
    info = record.get("info")
    told_so = isinstance(info, dict) or (isinstance(info, str) and info[:1] == "{")
    about = section(record, "info") if told_so else {}
    own = identifier(about, "instance_id") or identifier(record, "instance_id")
    # verifiers calls the environment `task`, which is the same for all rows, unless it is one's own
    task = identifier(record, "task")
    if task is None or "__" not in task:
        task = identifier(record, "example_id", "task", "id")
    facts = _facts(
        record,
        instance_id=own or task,
        tools=tools(record) or tools(about),
    )
    messages = [*told, *(listing(record, "completion") or [])]
    return assemble(source, PROMPTED, messages, facts, field="prompt + completion")


def _context(message: Any) -> Any:
    """A message of the prompt; a turn in it is no step of this run."""
    if isinstance(message, dict) and message.get("role") == "assistant":
        return {**message, DEMONSTRATION: True}
    return message


def is_r2e(record: dict[str, Any], path: str) -> bool:
    """Steps of thought, action and observation."""
    return holds(record.get("trajectory_steps"), "action", "observation")


def _read_r2e(record: dict[str, Any], source: Source) -> list[Trajectory]:
    chat = Chat()
    if record.get("problem_statement") is not None:
        chat.tell("user", text(record, "problem_statement"))
    for place, step in enumerate(listing(record, "trajectory_steps") or []):
        if not isinstance(step, dict):
            raise wrong_type(f"trajectory_steps[{place}]", step, "an object")
        chat.end_turn()
        turn = chat.turn()
        said = (text(step, "thought"), text(step, "action"))
        turn.say("\n\n".join(one for one in said if one))
        if step.get("observation") is not None:
            chat.tell("user", text(step, "observation"))
    facts = _facts(
        record,
        instance_id=identifier(record, "instance_id") or _ds_instance(record),
        scaffold=R2E,
        model=text(section(record, "agent_args"), "llm_name"),
        exit_status=text(record, "exit_reason"),
        submission=text(record, "output_patch"),
    )
    return chat.runs(source, R2E, facts, "trajectory_steps")


def _ds_instance(record: dict[str, Any]) -> str | None:
    """Tasks of R2E-Gym have no name of their own but that of their image."""
    return identifier(section_of(record, "ds"), "instance_id") or identifier(record, "docker_image")


def is_adp(record: dict[str, Any], path: str) -> bool:
    """A content of entries with a class."""
    return holds(record.get("content"), "class_")


def _read_adp(record: dict[str, Any], source: Source) -> list[Trajectory]:
    chat = Chat()
    calls = 0
    waiting: list[str] = []
    for place, entry in enumerate(listing(record, "content") or []):
        if not isinstance(entry, dict):
            raise wrong_type(f"content[{place}]", entry, "an object")
        kind, said = entry.get("class_"), entry.get("content")
        if kind in ("api_action", "code_action"):
            turn = chat.turn()
            turn.say(entry.get("description"))
            waiting.append(f"call_{calls}")
            calls += 1
            turn.call(waiting[-1], *_adp_call(entry, kind))
        elif kind == "message_action":
            turn = chat.turn()
            turn.say(entry.get("description"))
            turn.say(said)
            chat.end_turn()
        elif kind in ("text_observation", "web_observation"):
            said = said if kind == "text_observation" else _page(entry)
            if waiting and entry.get("source") != "user":
                chat.answer(waiting.pop(0), said, None, entry.get("name"))
            else:
                waiting.clear()
                chat.tell("user", said)
        else:
            raise RecordError(f"'content[{place}].class_' is {quoted(kind)}, which no reader knows")
    own = identifier(record, "id")
    details = dict(section_of(record, "details"))
    stated = details.pop("resolved", None)
    facts = _facts(
        details,
        instance_id=named[1] if (named := ENTRY.fullmatch(own or "")) else own,
        submission=text(details, "generated_patch", "patch", "model_patch"),
        resolved=WORDS.get(stated.lower()) if isinstance(stated, str) else of_reward(stated),
        stated_id=own,
    )
    if facts.submission is None:
        facts.submission = text(section(details, "test_result"), "git_patch")
    return chat.runs(source, ADP, facts, "content")


def _adp_call(entry: dict[str, Any], kind: str) -> tuple[object, object]:
    if kind == "api_action":
        return entry.get("function"), entry.get("kwargs")
    language = text(entry, "language") or ""
    shell = language.lower() in SHELL_LANGUAGES
    return (
        ("bash", {"command": entry.get("content")})
        if shell
        else (language, {"code": entry.get("content")})
    )


def _page(entry: dict[str, Any]) -> str:
    """What is readable of a web page: its address, and its accessibility tree or its markup."""
    told = (text(entry, "url"), text(entry, "axtree", "html"))
    return "\n".join(one for one in told if one)


def is_langchain(record: Any, path: str) -> bool:
    """Messages of a type, or as LangChain's `dumpd` and `messages_to_dict` write them."""
    messages = record.get("messages") if isinstance(record, dict) else record
    first = messages[0] if isinstance(messages, list) and messages else None
    if not isinstance(first, dict) or "role" in first:
        return False
    return _typed(first)[0] is not None


def _typed(message: dict[str, Any]) -> tuple[str | None, dict[str, Any]]:
    """Role and fields of a message of LangChain; None for what is none."""
    fields = message
    kind = message.get("type")
    if isinstance(message.get("kwargs"), dict) and message.get("lc") is not None:
        fields = message["kwargs"]
        name = message.get("id")
        last = name[-1] if isinstance(name, list) and name else ""
        kind = fields.get("type") or str(last).removesuffix("Chunk").removesuffix("Message").lower()
    elif isinstance(message.get("data"), dict):
        fields = message["data"]
    role = KINDS.get(kind) if isinstance(kind, str) else None
    return (role, fields) if "content" in fields else (None, fields)


def _read_langchain(record: Any, source: Source) -> Trajectory:
    row = record if isinstance(record, dict) else {}
    messages = listing(row, "messages") or [] if row else record
    made: list[Any] = []
    for place, message in enumerate(messages):
        role, fields = _typed(message) if isinstance(message, dict) else (None, {})
        if role is None:
            raise RecordError(f"'messages[{place}]' is no message of LangChain")
        calls = [
            {
                "type": "function",
                "id": call.get("id"),
                "function": {"name": call.get("name"), "arguments": json_text(call.get("args"))},
            }
            for call in listing(fields, "tool_calls") or []
            if isinstance(call, dict)
        ]
        content = fields.get("content")
        if calls and isinstance(content, list):  # Anthropic's calls stand in it once more
            content = [part for part in content if not _is_block(part)] or None
        one = {"role": role, "content": content, "tool_calls": calls}
        one |= {key: fields[key] for key in ("name", "tool_call_id") if fields.get(key)}
        made.append(one)
    facts = _facts(row) if row else Facts(instance_id=source.stem)
    return assemble(source, LANGCHAIN, made, facts)


def _is_block(part: Any) -> bool:
    return isinstance(part, dict) and part.get("type") in BLOCKS


READERS = (
    Reader(SHAREGPT, is_sharegpt, _read_sharegpt, run_keys=("conversations",)),
    Reader(PROMPTED, is_prompted, _read_prompted, run_keys=("completion",)),
    Reader(R2E, is_r2e, _read_r2e, run_keys=("trajectory_steps",)),
    Reader(ADP, is_adp, _read_adp),
    Reader(LANGCHAIN, is_langchain, _read_langchain, lists=True, patches=False),
)
