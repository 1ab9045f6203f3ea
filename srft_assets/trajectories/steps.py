"""Cutting a run into steps: one step is one assistant turn with what answered it."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from srft_assets.trajectories.actions import (
    SHELLS,
    Protocol,
    command_of,
    prose,
    protocol_of,
    shell_command,
    split_action,
)
from srft_assets.trajectories.model import DEMONSTRATION, Action, Message, Step, text_of

OPENING = re.compile(r"<returncode>\s*(-?\d{1,9})\s*</returncode>")
CLOSING = re.compile(
    r"\[(?:Command|The command) (?:-?\d{1,9} )?(?:finished|completed)"
    r" with exit code (-?\d{1,9})\.?\]"
    r"|ommand exit(?:ed with)? (?:status|code):? (-?\d{1,9})\b"
)
MARKS = ("<returncode>", "<exception>")
EDGE_CHARS = 1000
"""Only this much at the beginning or the end of an observation is the scaffold's own."""


def return_code(observation: str) -> int | None:
    """The code of the command that an observation answers; None where it states none.

    mini-swe-agent opens with `<returncode>N</returncode>`, possibly after an `<exception>`;
    OpenHands closes with `[Command finished with exit code N]` (and its older wordings), with
    the working directory and the interpreter around it. -1 of OpenHands means that the command
    has not ended, and is None.
    """
    if observation.startswith(MARKS) or observation[:EDGE_CHARS].lstrip().startswith(MARKS):
        found = OPENING.search(observation)
        return int(found[1]) if found else None
    tail = observation[-EDGE_CHARS:]
    stated = CLOSING.findall(tail)
    if not stated:
        return None
    code = int(stated[-1][0] or stated[-1][1])
    return None if code == -1 else code


CALLS = frozenset({"tool_calls", "function_call"})


def cut_steps(messages: Sequence[Message], codes: Mapping[int, int | None] = {}) -> list[Step]:
    """One step per assistant turn, demonstrations aside, in order.

    A tool result belongs to the step that made its call, every other user or tool message to
    the turn before it; what comes before the first turn is the task and belongs to no step.
    `codes` are return codes by message index, for scaffolds that state them beside the text;
    otherwise they are read from the text.
    """
    protocol = _protocol(messages)
    steps: list[Step] = []
    step_of_call: dict[str, Step] = {}
    for place, message in enumerate(messages):
        if DEMONSTRATION in message:
            continue
        role, content = message["role"], message["content"]
        text = content if isinstance(content, str) else text_of(content)
        if role == "assistant":
            thought, actions = split_action(text, protocol)
            if not CALLS.isdisjoint(message):
                actions = _called(message)
            step = Step(len(steps), place, thought, actions)
            steps.append(step)
            for action in actions:
                if action.call_id is not None:
                    step_of_call[action.call_id] = step
        elif steps and role != "system":
            step = steps[-1]
            if step_of_call:
                step = step_of_call.get(message.get("tool_call_id", ""), step)
            step.observations.append(text)
            step.return_codes.append(codes[place] if place in codes else return_code(text))
    return steps


def _protocol(messages: Sequence[Message]) -> Protocol:
    turns = [m for m in messages if m["role"] == "assistant" and DEMONSTRATION not in m]
    if not all(map(CALLS.isdisjoint, turns)):
        return prose
    return protocol_of(text_of(turn["content"]) for turn in turns)


def _called(message: Message) -> list[Action]:
    if "tool_calls" in message:
        return [called(call["function"], call.get("id")) for call in message["tool_calls"]]
    return [called(message["function_call"], None)]


def called(function: dict[str, Any], call_id: object) -> Action:
    """The action of one tool call; other tools than shells keep their arguments' JSON text."""
    name, arguments = str(function.get("name")), function.get("arguments")
    call = call_id if isinstance(call_id, str) else None
    if isinstance(arguments, dict):
        return Action(name, command_of(name, arguments), call)
    text = "" if arguments is None else str(arguments)
    if name not in SHELLS:
        return Action(name, text, call)
    try:
        command = shell_command(name, orjson.loads(text))
    except orjson.JSONDecodeError:
        command = None
    return Action(name, text if command is None else command, call)
