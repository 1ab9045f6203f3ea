"""Agent Trajectory Interchange Format 1.0 to 1.8 (Harbor, Terminal-Bench 2): `trajectory.json`,
in Harbor's jobs as `TRIAL/agent/trajectory.json` beside `TRIAL/result.json`, the trial's report.

A step of the agent is one turn with what answered it. Steps copied from an earlier trajectory
(`is_copied_context`), and those that no model wrote (`llm_call_count` 0), are context. Embedded
subagents are runs of their own.
"""

import re
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from srft_assets.trajectories.formats.anthropic import text_blocks
from srft_assets.trajectories.model import DEMONSTRATION, RecordError, Trajectory
from srft_assets.trajectories.reader import (
    Facts,
    Reader,
    Source,
    listing,
    section,
    text,
    wrong_type,
)
from srft_assets.trajectories.turns import Chat, child_id, runs_of

ATIF = "atif"
VERSION_MARK = "ATIF-v"
TRIAL = re.compile(r"__[A-Za-z0-9]{3,8}$")
"""What Harbor puts behind the task in the name of a trial."""
DEPTH = 8
"""Of subagents within subagents."""


def is_atif(record: dict[str, Any], path: str) -> bool:
    """The stated version, and steps."""
    version = record.get("schema_version")
    stated = isinstance(version, str) and version.startswith(VERSION_MARK)
    return stated and isinstance(record.get("steps"), list)


def _read(record: dict[str, Any], source: Source) -> list[Trajectory]:
    return _runs(record, source, None, DEPTH)


def _runs(
    record: dict[str, Any], source: Source, parent: str | None, depth: int
) -> list[Trajectory]:
    agent = section(record, "agent")
    chat, model = Chat(), text(agent, "model_name")
    for place, step in enumerate(listing(record, "steps") or []):
        if not isinstance(step, dict):
            raise wrong_type(f"steps[{place}]", step, "an object")
        model = model or text(step, "model_name")
        _add(chat, step, f"steps[{place}]")
    own = text(record, "trajectory_id")
    facts = Facts(
        instance_id=_instance(record, source),
        scaffold=text(agent, "name") or "unknown",
        model=model,
        tools=_tools(agent),
        stated_id=child_id(parent, own) if own else None,
    )
    parts = [partial(chat.runs, source, ATIF, facts, "steps")]
    children = listing(record, "subagent_trajectories") or []
    if children and not depth:
        raise RecordError(f"subagents more than {DEPTH} deep in each other")
    for child in children:
        if not isinstance(child, dict):
            raise wrong_type("subagent_trajectories[]", child, "an object")
        named = own or text(record, "session_id")
        parts.append(partial(_runs, child, source, named, depth - 1))
    return runs_of(parts)


def _add(chat: Chat, step: dict[str, Any], where: str) -> None:
    said = text_blocks(step.get("message"))
    if step.get("source") == "agent":
        chat.end_turn()
        turn = chat.turn()
        turn.think(text(step, "reasoning_content"))
        if isinstance(said, str):
            turn.say(said)
        else:
            turn.message["content"] = said
        for call in listing(step, "tool_calls") or []:
            if not isinstance(call, dict):
                raise wrong_type(f"{where}.tool_calls[]", call, "an object")
            turn.call(call.get("tool_call_id"), call.get("function_name"), call.get("arguments"))
        if step.get("is_copied_context") is True or step.get("llm_call_count") == 0:
            turn.message[DEMONSTRATION] = True
    elif step.get("source") in ("user", "system"):
        chat.tell(step["source"], said)
    else:
        raise RecordError(f"field '{where}.source' is none of system, user and agent")
    results = listing(section(step, "observation"), "results") or []
    for result in results:
        if not isinstance(result, dict):
            raise wrong_type(f"{where}.observation.results[]", result, "an object")
        content = text_blocks(result.get("content"))
        if result.get("source_call_id") is not None:
            chat.answer(result["source_call_id"], content)
        else:
            chat.tell("user", content)


def _instance(record: dict[str, Any], source: Source) -> str | None:
    """As the place says: `TASK__XXXXXXX/agent/trajectory.json`, or the name of the file."""
    place = PurePosixPath(source.path)
    if place.parent.name == "agent":
        return TRIAL.sub("", place.parent.parent.name) or None
    return source.stem if source.stem != "trajectory" else place.parent.name or None


def _tools(agent: dict[str, Any]) -> list[dict[str, Any]] | None:
    offered = listing(agent, "tool_definitions") or []
    return [tool for tool in offered if isinstance(tool, dict)] or None


READERS = (Reader(ATIF, is_atif, _read, patches=False),)
