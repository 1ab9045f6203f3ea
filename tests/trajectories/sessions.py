"""Short runs of every format, written to its schema: one task, looked at, changed, ended."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

TASK = "Mend b.py."
LOOK = {"command": "cat b.py"}


def claude_line(kind: str, message: dict[str, Any], uuid: str, parent: str | None, **more: Any):
    """A line of a Claude Code session."""
    return {
        "parentUuid": parent,
        "isSidechain": False,
        "sessionId": "cc-1",
        "version": "2.1.0",
        "type": kind,
        "message": message,
        "uuid": uuid,
        **more,
    }


def claude_turn(uuid: str, parent: str, message_id: str, *blocks: dict[str, Any], **more: Any):
    """A line of the assistant."""
    said = {"id": message_id, "role": "assistant", "model": "claude-y", "content": list(blocks)}
    return claude_line("assistant", said, uuid, parent, **more)


def claude_told(uuid: str, parent: str | None, content: Any, **more: Any):
    """A line of the user, or of a tool's answer."""
    return claude_line("user", {"role": "user", "content": content}, uuid, parent, **more)


def use(call_id: str, name: str, given: dict[str, Any]) -> dict[str, Any]:
    """A call as a block."""
    return {"type": "tool_use", "id": call_id, "name": name, "input": given}


def result(call_id: str, content: Any, **more: Any) -> dict[str, Any]:
    """An answer as a block."""
    return {"type": "tool_result", "tool_use_id": call_id, "content": content, **more}


def said(text: str) -> dict[str, Any]:
    """A text as a block."""
    return {"type": "text", "text": text}


CLAUDE = [
    {"type": "file-history-snapshot", "messageId": "x", "isSnapshotUpdate": False},
    claude_told("u1", None, TASK),
    claude_turn("u2", "u1", "m1", {"type": "thinking", "thinking": "First look."}),
    claude_turn("u3", "u2", "m1", said("I look.")),
    claude_turn("u4", "u3", "m1", use("t1", "Bash", LOOK)),
    claude_told("u5", "u4", [result("t1", "y = 1", is_error=False)]),
    claude_turn("u6", "u4", "m1", use("t2", "Bash", {"command": "false"})),
    claude_told("u7", "u6", [result("t2", "Exit code 3\nno", is_error=True)]),
    claude_turn("u8", "u7", "m2", said("Done.")),
]
"""Two steps: one turn of four lines with two calls, then the end."""


def rollout(kind: str, payload: dict[str, Any]) -> dict[str, Any]:
    """A line of a Codex rollout."""
    return {"timestamp": "2026-02-01T00:00:00Z", "type": kind, "payload": payload}


def item(kind: str, **fields: Any) -> dict[str, Any]:
    """A line that wraps an item."""
    return rollout("response_item", {"type": kind, **fields})


def worded(role: str, text: str) -> dict[str, Any]:
    """A message as an item."""
    part = "output_text" if role == "assistant" else "input_text"
    return {"type": "message", "role": role, "content": [{"type": part, "text": text}]}


CODEX = [
    rollout("session_meta", {"id": "cx-1", "base_instructions": {"text": "You are Codex."}}),
    rollout("turn_context", {"model": "gpt-y"}),
    rollout("response_item", worded("user", TASK)),
    rollout("event_msg", {"type": "user_message", "message": TASK}),
    item("reasoning", summary=[{"type": "summary_text", "text": "First look."}]),
    rollout("response_item", worded("assistant", "I look.")),
    item("function_call", name="exec_command", arguments='{"cmd": "cat b.py"}', call_id="c1"),
    item("function_call_output", call_id="c1", output="Process exited with code 0\nOutput:\ny = 1"),
    item(
        "local_shell_call",
        call_id="c2",
        action={"type": "exec", "command": ["bash", "-lc", "false"]},
    ),
    item(
        "function_call_output", call_id="c2", output='{"output": "", "metadata": {"exit_code": 1}}'
    ),
    rollout("response_item", worded("assistant", "Done.")),
    rollout("event_msg", {"type": "task_complete"}),
]
"""Three steps: they are cut where answers stand."""

RESPONSES = {
    "instance_id": "acme__b-1",
    "model": "gpt-y",
    "input": [worded("user", TASK)],
    "output": [
        {"type": "function_call", "call_id": "c1", "name": "shell", "arguments": json.dumps(LOOK)},
        {"type": "function_call_output", "call_id": "c1", "output": "y = 1"},
        worded("assistant", "Done."),
    ],
    "reward": 1.0,
}

GEMINI = [
    {"sessionId": "g-1", "projectHash": "h", "startTime": "2026-02-01T00:00:00Z"},
    {"id": "1", "type": "user", "content": [{"text": TASK}]},
    {"id": "2", "type": "gemini", "content": "I look.", "model": "gemini-y"},
    {
        "id": "2",
        "type": "message_update",
        "toolCalls": [
            {
                "id": "s-1",
                "name": "run_shell_command",
                "args": LOOK,
                "result": [{"functionResponse": {"response": {"output": "y = 1\nExit Code: 0"}}}],
                "status": "success",
            }
        ],
    },
    {"id": "3", "type": "info", "content": "Update available."},
    {"id": "4", "type": "gemini", "content": "Done.", "model": "gemini-y"},
]

OPENCODE = {
    "info": {"id": "ses_2", "parentID": "ses_1"},
    "messages": [
        {"info": {"role": "user"}, "parts": [{"type": "text", "text": TASK}]},
        {
            "info": {"role": "assistant", "modelID": "y", "providerID": "p"},
            "parts": [
                {"type": "step-start"},
                {"type": "reasoning", "text": "First look."},
                {
                    "type": "tool",
                    "tool": "bash",
                    "callID": "c1",
                    "state": {
                        "status": "completed",
                        "input": LOOK,
                        "output": "y = 1",
                        "metadata": {"exit": 0},
                    },
                },
                {"type": "step-finish", "reason": "tool-calls"},
                {"type": "step-start"},
                {
                    "type": "tool",
                    "tool": "edit",
                    "callID": "c2",
                    "state": {"status": "error", "input": {}, "error": "no such text"},
                },
                {"type": "text", "text": "I stop."},
                {"type": "step-finish", "reason": "stop"},
            ],
        },
    ],
}


def atif_step(number: int, source: str, message: str, **more: Any) -> dict[str, Any]:
    """A step of ATIF."""
    return {"step_id": number, "source": source, "message": message, **more}


ATIF = {
    "schema_version": "ATIF-v1.7",
    "session_id": "a-1",
    "trajectory_id": "root",
    "agent": {"name": "terminus-2", "version": "2", "model_name": "y", "tool_definitions": []},
    "steps": [
        atif_step(1, "system", "You are an agent."),
        atif_step(2, "user", TASK),
        atif_step(3, "agent", "Before.", is_copied_context=True),
        atif_step(
            4,
            "agent",
            "I look.",
            reasoning_content="First look.",
            tool_calls=[
                {"tool_call_id": "c1", "function_name": "bash_command", "arguments": LOOK},
                {"tool_call_id": "c2", "function_name": "task", "arguments": {"of": "helper"}},
            ],
            observation={
                "results": [
                    {"source_call_id": "c1", "content": [{"type": "text", "text": "y = 1"}]},
                    {"source_call_id": "c2", "content": None},
                ]
            },
        ),
        atif_step(5, "agent", "Done.", observation={"results": [{"content": "stopped"}]}),
    ],
    "subagent_trajectories": [
        {
            "schema_version": "ATIF-v1.7",
            "trajectory_id": "helper",
            "agent": {"name": "terminus-2", "version": "2"},
            "steps": [atif_step(1, "user", "Help."), atif_step(2, "agent", "Helped.")],
        }
    ],
}

TRIAL = {
    "task_name": "acme/widget",
    "trial_name": "widget__Ab12Cd3",
    "agent_info": {"name": "terminus-2", "version": "2"},
    "verifier_result": {"rewards": {"reward": 1.0}},
    "exception_info": None,
}


def event(kind: str, number: int, **fields: Any) -> dict[str, Any]:
    """An event of the OpenHands SDK."""
    return {"id": f"e{number}", "kind": kind, "source": "agent", **fields}


def acted(number: int, response: str, call_id: str, thought: str, command: str) -> dict[str, Any]:
    """An action; those of one response are one turn."""
    given = json.dumps({"command": command})
    return event(
        "ActionEvent",
        number,
        thought=[said(thought)] if thought else [],
        action={"command": command, "kind": "TerminalAction"},
        tool_name="terminal",
        tool_call_id=call_id,
        tool_call={"id": call_id, "name": "terminal", "arguments": given},
        llm_response_id=response,
    )


def observed(number: int, call_id: str, text: str, code: int) -> dict[str, Any]:
    """What answered an action."""
    return event(
        "ObservationEvent",
        number,
        tool_name="terminal",
        tool_call_id=call_id,
        observation={"content": [said(text)], "exit_code": code, "kind": "TerminalObservation"},
    )


SDK = [
    event("SystemPromptEvent", 1, system_prompt=said("You are an agent."), tools=[]),
    event("MessageEvent", 2, source="user", llm_message={"role": "user", "content": [said(TASK)]}),
    acted(3, "r1", "c1", "I look.", "cat b.py"),
    acted(4, "r1", "c2", "", "false"),
    observed(5, "c1", "y = 1", 0),
    observed(6, "c2", "", 1),
    event("ConversationStateUpdateEvent", 7, key="execution_status", value="finished"),
    event("AgentErrorEvent", 8, tool_name="x", tool_call_id="c9", error="no tool 'x'"),
    event("MessageEvent", 9, llm_message={"role": "assistant", "content": [said("Done.")]}),
]
"""Two steps: a turn with two calls, and the end."""

SAMPLE = {
    "id": "acme__b-1",
    "epoch": 1,
    "input": TASK,
    "messages": [
        {"role": "user", "content": TASK},
        {
            "role": "assistant",
            "content": [{"type": "reasoning", "reasoning": "First look."}, said("I look.")],
            "tool_calls": [{"id": "c1", "function": "bash", "arguments": {"cmd": "cat b.py"}}],
        },
        {"role": "tool", "content": "attachment://a1", "tool_call_id": "c1", "function": "bash"},
        {"role": "assistant", "content": "Done."},
    ],
    "attachments": {"a1": "y = 1"},
    "scores": {"includes": {"value": "C"}},
}
INSPECT = {
    "version": 2,
    "eval": {"task": "t", "model": "openai/y", "run_id": "r"},
    "samples": [SAMPLE],
}

CALL = {"id": "c1", "type": "function", "function": {"name": "bash", "arguments": json.dumps(LOOK)}}
CHAT = [
    {"role": "user", "content": TASK},
    {"role": "assistant", "content": "I look.", "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "c1", "content": "y = 1"},
    {"role": "assistant", "content": "Done."},
]
PROMPTED = {"prompt": CHAT[:1], "completion": CHAT[1:], "task": "acme__b-1", "reward": 1.0}
SHAREGPT = {
    "id": "acme__b-1",
    "conversations": [
        {"from": "human", "value": TASK},
        {"from": "function_call", "value": json.dumps({"name": "bash", "arguments": LOOK})},
        {"from": "observation", "value": "y = 1"},
        {"from": "gpt", "value": "Done."},
    ],
}
LOOKING = "<function=execute_bash>\n<parameter=cmd>cat b.py</parameter>\n</function>"
R2E = {
    "trajectory_steps": [{"thought": "I look.", "action": LOOKING, "observation": "y = 1"}],
    "problem_statement": TASK,
    "docker_image": "acme/b:1",
    "agent_args": {"llm_name": "y"},
    "exit_reason": "max_step_limit",
    "output_patch": "",
    "reward": 1,
}
ADP = {
    "id": "acme__b-1_0",
    "content": [
        {"class_": "text_observation", "content": TASK, "source": "user"},
        {
            "class_": "code_action",
            "language": "bash",
            "content": "cat b.py",
            "description": "I look.",
        },
        {"class_": "text_observation", "content": "y = 1", "source": "environment"},
        {"class_": "api_action", "function": "edit", "kwargs": {"path": "b.py"}},
        {"class_": "text_observation", "content": "edited", "source": "environment"},
        {"class_": "message_action", "content": "Done."},
    ],
    "details": {"resolved": "True", "generated_patch": "diff"},
}
LANGCHAIN = {
    "instance_id": "acme__b-1",
    "messages": [
        {"type": "human", "content": TASK},
        {
            "type": "ai",
            "content": "I look.",
            "tool_calls": [{"name": "bash", "args": LOOK, "id": "c1"}],
        },
        {"type": "tool", "content": "y = 1", "tool_call_id": "c1"},
        {"type": "ai", "content": "Done."},
    ],
}
ANTHROPIC = {
    "instance_id": "acme__b-1",
    "system": [said("You are an agent.")],
    "tools": [{"name": "bash", "input_schema": {"type": "object"}}],
    "messages": [
        {"role": "user", "content": TASK},
        {"role": "assistant", "content": [said("I look."), use("t1", "bash", LOOK)]},
        {"role": "user", "content": [result("t1", [said("y = 1")])]},
        {"role": "assistant", "content": "Done."},
    ],
}


def call_log(asked: list[dict[str, Any]], answer: dict[str, Any]) -> dict[str, Any]:
    """The log of one call of the OpenHands SDK."""
    return {"messages": asked, "response": {"model": "y", "choices": [{"message": answer}]}}


def packed(header: Any = None, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """An `.eval` log of two samples."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", method) as archive:
        archive.writestr(
            "header.json", json.dumps(header or {"eval": {"model": "y", "run_id": "q"}})
        )
        for epoch in (1, 2):
            archive.writestr(
                f"samples/a_epoch_{epoch}.json", json.dumps({**SAMPLE, "epoch": epoch})
            )
    return content.getvalue()


def write(path: Path, *values: Any) -> Path:
    """JSON; as lines where the name says so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(value)}\n" for value in values))
    return path


def write_all(folder: Path) -> dict[str, int]:
    """A file of every format in its own folder; reader → runs."""
    write(folder / "claude/cc-1.jsonl", *CLAUDE)
    write(folder / "codex/rollout-1.jsonl", *CODEX)
    write(folder / "responses/items.json", RESPONSES)
    write(folder / "gemini/session-1.jsonl", *GEMINI)
    write(folder / "opencode/session.json", OPENCODE)
    write(folder / "widget__Ab12Cd3/agent/trajectory.json", ATIF)
    write(folder / "widget__Ab12Cd3/result.json", TRIAL)
    write(folder / "sdk/events.jsonl", *SDK)
    write(folder / "sdk/output.jsonl", {"instance_id": "acme__b-1", "history": SDK})
    write(folder / "sdk/logs/m-1700000001.100.json", call_log(CHAT[:1], CHAT[1]))
    write(folder / "sdk/logs/m-1700000002.100-ab12.json", call_log(CHAT[:3], CHAT[3]))
    write(folder / "inspect/log.json", INSPECT)
    (folder / "inspect/log.eval").write_bytes(packed())
    write(folder / "rows/prompted.jsonl", PROMPTED)
    write(folder / "rows/sharegpt.jsonl", SHAREGPT)
    write(folder / "rows/r2e.jsonl", R2E)
    write(folder / "rows/adp.json", ADP)
    write(folder / "rows/langchain.json", LANGCHAIN)
    write(folder / "rows/anthropic.json", ANTHROPIC)
    return {
        "agent-data-protocol": 1,
        "anthropic-messages": 1,
        "atif": 2,
        "claude-code": 1,
        "codex": 1,
        "gemini-cli": 1,
        "inspect": 3,
        "langchain": 1,
        "openai-responses": 1,
        "opencode": 1,
        "openhands-completion": 1,
        "openhands-sdk": 2,
        "prompt-completion": 1,
        "r2e-gym": 1,
        "sharegpt": 1,
    }
