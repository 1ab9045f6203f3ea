"""Seven runs as they happened, and each written to the schema of every format that can hold it."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.trajectories import sessions as s

Record = Any


@dataclass(frozen=True)
class Turn:
    """A turn of the model: what it said, the commands it called by id, and what answered them."""

    said: str = ""
    calls: tuple[tuple[str, str], ...] = ()
    answers: tuple[tuple[str, str, int], ...] = ()
    """Id of the call, text, return code."""
    thought: str = ""
    reply: str = ""
    """What the user said to it."""


def ran(command: str, answer: str, code: int = 0, said: str = "I look.", name: str = "c1") -> Turn:
    return Turn(said, ((name, command),), ((name, answer, code),))


END = Turn("Done.")
RUNS: dict[str, list[Turn]] = {
    "plain": [
        ran("cat b.py", "y = 1"),
        ran("sed -i s/1/2/ b.py", "ok", said="I change it.", name="c2"),
        END,
    ],
    "two calls in a turn": [
        Turn(
            "Both.",
            (("c1", "cat b.py"), ("c2", "ls")),
            (("c1", "y = 1", 0), ("c2", "b.py", 0)),
        ),
        END,
    ],
    "a call without an answer": [ran("cat b.py", "y = 1"), Turn("I test.", (("c2", "pytest"),))],
    "a failure": [
        ran("cat c.py", "no such file", 1),
        ran("cat b.py", "y = 1", name="c2"),
        END,
    ],
    "a reply of the user": [
        Turn("Which file?", reply="b.py, please."),
        ran("cat b.py", "y = 1"),
        END,
    ],
    "the same turn again": [
        ran("pytest", "1 failed", 1, "I test.", "c1"),
        ran("pytest", "1 failed", 1, "I test.", "c2"),
        ran("pytest", "1 failed", 1, "I test.", "c3"),
        END,
    ],
    "thoughts": [
        Turn("", (("c1", "cat b.py"),), (("c1", "y = 1", 0),), thought="First look."),
        Turn("Done.", thought="That is all."),
    ],
}
COUNTED = {
    "plain": (3, 2, 2),
    "two calls in a turn": (2, 2, 2),
    "a call without an answer": (2, 2, 1),
    "a failure": (3, 2, 2),
    "a reply of the user": (3, 1, 2),
    "the same turn again": (4, 3, 3),
    "thoughts": (2, 1, 1),
}
"""By hand: steps, commands, and what answered them or their steps."""
Writer = Callable[[list[Turn]], Record]


def claude(turns: list[Turn]) -> Record:
    """A line a block, all of a turn with the message's id; an answer follows its call's line."""
    lines = [s.claude_told("u", None, s.TASK)]

    def add(kind: Callable[..., Any], *given: Any) -> None:
        lines.append(kind(f"l{len(lines)}", lines[-1]["uuid"], *given))

    for number, turn in enumerate(turns):
        blocks = [{"type": "thinking", "thinking": turn.thought}] if turn.thought else []
        blocks += [s.said(turn.said)] if turn.said else []
        blocks += [s.use(name, "Bash", {"command": told}) for name, told in turn.calls]
        for block in blocks:
            add(s.claude_turn, f"m{number}", block)
        for name, text, code in turn.answers:
            shown = f"Exit code {code}\n{text}" if code else text
            add(s.claude_told, [s.result(name, shown, is_error=bool(code))])
        if turn.reply:
            add(s.claude_told, turn.reply)
    return lines


def items(turns: list[Turn]) -> list[dict[str, Any]]:
    """Items of the Responses API."""
    made: list[dict[str, Any]] = [s.worded("user", s.TASK)]
    for turn in turns:
        told = [{"type": "summary_text", "text": turn.thought}]
        made += [{"type": "reasoning", "summary": told}] if turn.thought else []
        made += [s.worded("assistant", turn.said)] if turn.said else []
        for name, command in turn.calls:
            given = json.dumps({"command": ["bash", "-lc", command]})
            made.append(
                {"type": "function_call", "call_id": name, "name": "shell", "arguments": given}
            )
        for name, text, code in turn.answers:
            wrapped = json.dumps({"output": text, "metadata": {"exit_code": code}})
            made.append({"type": "function_call_output", "call_id": name, "output": wrapped})
        made += [s.worded("user", turn.reply)] if turn.reply else []
    return made


def codex(turns: list[Turn]) -> Record:
    """A rollout: the items, with what the screen shows of them between."""
    shown = s.rollout("event_msg", {"type": "token_count", "info": None})
    lines = [s.rollout("session_meta", {"id": "cx"}), s.rollout("turn_context", {"model": "y"})]
    for one in items(turns):
        lines += [s.rollout("response_item", one), shown]
    return lines


def gemini(turns: list[Turn]) -> Record:
    """A session: a message holds its calls with their answers."""
    messages: list[dict[str, Any]] = [{"id": "0", "type": "user", "content": s.TASK}]
    for number, turn in enumerate(turns, 1):
        answers = {name: f"{text}\nExit Code: {code}" for name, text, code in turn.answers}
        calls = []
        for name, command in turn.calls:
            call = {"id": name, "name": "run_shell_command", "args": {"command": command}}
            if name in answers:
                answered = {"id": name, "response": {"output": answers[name]}}
                call |= {"result": [{"functionResponse": answered}], "status": "success"}
            calls.append(call)
        message = {"id": f"{number}", "type": "gemini", "content": turn.said, "toolCalls": calls}
        thoughts = [{"subject": turn.thought, "timestamp": "t"}] if turn.thought else []
        messages.append({**message, "thoughts": thoughts, "model": "y"})
        if turn.reply:
            messages.append({"id": f"{number}r", "type": "user", "content": turn.reply})
    return {"sessionId": "g", "projectHash": "h", "messages": messages}


def opencode(turns: list[Turn]) -> Record:
    """An export: one message of the assistant for the turns until the user speaks."""
    messages: list[dict[str, Any]] = []

    def told(text: str) -> None:
        messages.append({"info": {"role": "user"}, "parts": [s.said(text)]})
        messages.append({"info": {"role": "assistant", "modelID": "y"}, "parts": []})

    told(s.TASK)
    for turn in turns:
        states = {
            name: {"status": "completed", "output": text, "metadata": {"exit": code}}
            for name, text, code in turn.answers
        }
        parts = [{"type": "step-start"}]
        parts += [{"type": "reasoning", "text": turn.thought}] if turn.thought else []
        parts += [s.said(turn.said)] if turn.said else []
        for name, command in turn.calls:
            state = {"input": {"command": command}, **states.get(name, {"status": "running"})}
            parts.append({"type": "tool", "tool": "bash", "callID": name, "state": state})
        messages[-1]["parts"] += [*parts, {"type": "step-finish", "reason": "stop"}]
        if turn.reply:
            told(turn.reply)
    return {"info": {"id": "ses"}, "messages": messages}


def atif(turns: list[Turn]) -> Record:
    """A trajectory: a step of the agent holds its observation."""
    steps = [s.atif_step(1, "user", s.TASK)]
    for turn in turns:
        calls = [
            {"tool_call_id": name, "function_name": "bash", "arguments": {"command": command}}
            for name, command in turn.calls
        ]
        results = [{"source_call_id": name, "content": text} for name, text, _ in turn.answers]
        more: dict[str, Any] = {"tool_calls": calls} if calls else {}
        more |= {"observation": {"results": results}} if results else {}
        more |= {"reasoning_content": turn.thought} if turn.thought else {}
        steps.append(s.atif_step(len(steps) + 1, "agent", turn.said, **more))
        if turn.reply:
            steps.append(s.atif_step(len(steps) + 1, "user", turn.reply))
    agent = {"name": "terminus-2", "version": "2", "model_name": "y"}
    return {"schema_version": "ATIF-v1.6", "session_id": "a", "agent": agent, "steps": steps}


def sdk(turns: list[Turn]) -> Record:
    """Events of the OpenHands SDK: an action a call, those of a turn by the response's id."""
    events = [s.event("MessageEvent", 0, source="user", llm_message=_blocks("user", s.TASK))]
    for number, turn in enumerate(turns):
        for name, command in turn.calls:
            first = name == turn.calls[0][0]
            acted = s.acted(len(events), f"r{number}", name, turn.said if first else "", command)
            events.append({**acted, "reasoning_content": turn.thought if first else None})
        if not turn.calls:
            message = {**_blocks("assistant", turn.said), "reasoning_content": turn.thought}
            events.append(s.event("MessageEvent", len(events), llm_message=message))
        events += [s.observed(len(events), *answer) for answer in turn.answers]
        if turn.reply:
            told = _blocks("user", turn.reply)
            events.append(s.event("MessageEvent", len(events), source="user", llm_message=told))
    return events


def _blocks(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "content": [s.said(text)]}


def chat(turns: list[Turn]) -> list[dict[str, Any]]:
    """Messages of OpenAI's form."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": s.TASK}]
    for turn in turns:
        calls = [
            {
                "id": name,
                "type": "function",
                "function": {"name": "bash", "arguments": json.dumps({"command": command})},
            }
            for name, command in turn.calls
        ]
        message = {"role": "assistant", "content": turn.said or None, "tool_calls": calls}
        messages.append(message | ({"reasoning_content": turn.thought} if turn.thought else {}))
        messages += [
            {"role": "tool", "tool_call_id": name, "content": text}
            for name, text, _ in turn.answers
        ]
        messages += [{"role": "user", "content": turn.reply}] if turn.reply else []
    return messages


def prompted(turns: list[Turn]) -> Record:
    """A row of `prompt` and `completion`."""
    told, *said = chat(turns)
    return {"prompt": [told], "completion": said, "reward": 1.0}


def inspect(turns: list[Turn]) -> Record:
    """A log of one sample: reasoning is a part of the content, a failure stands beside it."""
    codes = {name: code for turn in turns for name, _, code in turn.answers}
    messages = []
    for one in chat(turns):
        said = [s.said(one["content"])] if one["content"] else []
        if thought := one.pop("reasoning_content", None):
            one["content"] = [{"type": "reasoning", "reasoning": thought}, *said]
        one["tool_calls"] = [
            {"id": call["id"], "function": "bash", "arguments": {"command": _command(call)}}
            for call in one.get("tool_calls") or []
        ]
        if codes.get(one.get("tool_call_id", "")):
            one |= {"error": {"type": "unknown", "message": one["content"]}, "content": ""}
        messages.append(one)
    sample = {"id": "acme__b-1", "epoch": 1, "messages": messages, "scores": {"x": {"value": "I"}}}
    return {"version": 2, "eval": {"task": "t", "model": "openai/y"}, "samples": [sample]}


def _command(call: dict[str, Any]) -> str:
    return json.loads(call["function"]["arguments"])["command"]


def langchain(turns: list[Turn]) -> Record:
    """Messages as `messages_to_dict` writes them."""
    kinds = {"user": "human", "assistant": "ai", "tool": "tool"}
    made = []
    for one in chat(turns):
        data: dict[str, Any] = {"content": one["content"] or ""}
        data |= {key: one[key] for key in ("tool_call_id",) if key in one}
        data["tool_calls"] = [
            {"name": "bash", "args": {"command": _command(call)}, "id": call["id"]}
            for call in one.get("tool_calls") or []
        ]
        made.append({"type": kinds[one["role"]], "data": data})
    return {"messages": made}


def anthropic(turns: list[Turn]) -> Record:
    """A conversation of Cline: a list of messages in blocks."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": [s.said(s.TASK)]}]
    for turn in turns:
        blocks = [{"type": "thinking", "thinking": turn.thought}] if turn.thought else []
        blocks += [s.said(turn.said)] if turn.said else []
        blocks += [s.use(name, "bash", {"command": told}) for name, told in turn.calls]
        answers = [s.result(name, text, is_error=bool(code)) for name, text, code in turn.answers]
        answers += [s.said(turn.reply)] if turn.reply else []
        messages.append({"role": "assistant", "content": blocks})
        messages += [{"role": "user", "content": answers}] if answers else []
    return messages


def _as_text(turn: Turn) -> str:
    calls = [
        f"<function=execute_bash>\n<parameter=command>{command}</parameter>\n</function>"
        for _, command in turn.calls
    ]
    return "\n\n".join([turn.said, *calls])


def sharegpt(turns: list[Turn]) -> Record:
    """A row of `conversations`, its calls in the text."""
    told = [{"from": "human", "value": s.TASK}]
    for turn in turns:
        told.append({"from": "gpt", "value": _as_text(turn)})
        told += [{"from": "human", "value": text} for _, text, _ in turn.answers]
        told += [{"from": "human", "value": turn.reply}] if turn.reply else []
    return {"conversations": told}


def r2e(turns: list[Turn]) -> Record:
    """A row of R2E-Gym: a step is a thought, an action and what answered it."""
    steps = []
    for turn in turns:
        (_, command), *_ = turn.calls or (("", ""),)
        seen = turn.answers[0][1] if turn.answers else None
        action = _as_text(Turn(calls=(("", command),))) if turn.calls else ""
        steps.append({"thought": turn.said, "action": action, "observation": seen})
    return {"trajectory_steps": steps, "problem_statement": s.TASK, "docker_image": "acme/b:1"}


def adp(turns: list[Turn]) -> Record:
    """A row of the Agent Data Protocol: an entry an action, an entry an observation."""
    told = [{"class_": "text_observation", "content": s.TASK, "source": "user"}]
    for turn in turns:
        for name, command in turn.calls:
            said = turn.said if name == turn.calls[0][0] else None
            action = {"class_": "code_action", "language": "bash", "content": command}
            told.append({**action, "description": said})
        if not turn.calls:
            told.append({"class_": "message_action", "content": turn.said})
        for _, text, _ in turn.answers:
            told.append({"class_": "text_observation", "content": text, "source": "environment"})
        if turn.reply:
            told.append({"class_": "text_observation", "content": turn.reply, "source": "user"})
    return {"id": "acme__b-1_0", "content": told}


WRITERS: dict[str, Writer] = {
    "claude-code": claude, "codex": codex, "openai-responses": items, "gemini-cli": gemini,
    "opencode": opencode, "atif": atif, "openhands-sdk": sdk, "inspect": inspect,
    "prompt-completion": prompted, "anthropic-messages": anthropic, "langchain": langchain,
    "sharegpt": sharegpt, "r2e-gym": r2e, "agent-data-protocol": adp,
}  # fmt: skip
LACKS = {
    "r2e-gym": {"two calls in a turn", "a reply of the user"},
    "sharegpt": {"thoughts"},
}
"""What a format cannot hold."""
STATES_CODES = {
    "claude-code",
    "codex",
    "openai-responses",
    "gemini-cli",
    "opencode",
    "openhands-sdk",
}
