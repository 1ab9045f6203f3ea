"""Cutting a run into steps: one step is one assistant turn with what answered it.

A turn calls tools, or holds its commands in its text, in one of several protocols. Every function
over text scans forward once, so that hostile text costs linear time.
"""

import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any

import orjson

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
CALLS = frozenset({"tool_calls", "function_call"})

Split = tuple[str, list[Action]]
"""Thought (the text without the action, stripped) and the actions in order."""
Protocol = Callable[[str], Split]

SHELLS = frozenset(
    {"bash", "execute_bash", "shell", "terminal", "run_bash", "run_command", "Bash", "exec_command"}
    | {"run_shell_command", "execute_command", "bash_command", "local_shell"}
)
"""Tools whose argument is a shell command."""
SHELL_ARGUMENTS = ("command", "cmd", "script", "keystrokes")
STARTED = (["-c"], ["-lc"], ["-l", "-c"])
"""Words between a shell and its command, in a list of words (Codex)."""
SWE_AGENT_COMMANDS = frozenset(
    {"open", "goto", "scroll_up", "scroll_down", "create", "edit", "insert", "append", "submit"}
    | {"search_dir", "search_file", "find_file", "filemap", "str_replace_editor", "exit_forfeit"}
)
"""Commands of SWE-agent's interface; whatever else it is given goes to the shell."""

MSWEA = "```mswea_bash_command\n"
FUNCTION = re.compile(r"<function=([^>\n]{1,200})>")
PARAMETER = re.compile(r"<parameter=([^>\n]{1,200})>")
FENCE = re.compile(r"^```(\S*)[^\S\n]*(?:\n|\Z)", re.MULTILINE)


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


def enclosed(text: str, opening: str, closing: str) -> Iterator[tuple[int, int, int, int]]:
    """Spans (start, inner start, inner end, end) of the blocks between two marks."""
    at = text.find(opening)
    while at >= 0:
        inner = at + len(opening)
        end = text.find(closing, inner)
        if end < 0:
            return
        yield at, inner, end, end + len(closing)
        at = text.find(opening, end + len(closing))


def function_calls(text: str) -> Split:
    """`<function=NAME><parameter=KEY>value</parameter></function>` (OpenHands, SWE-smith).

    A call that is cut off at the end of the text counts: scaffolds close it themselves.
    """
    actions, thought, at = [], [], 0
    while (found := FUNCTION.search(text, at)) is not None:
        thought.append(text[at : found.start()])
        end = text.find("</function>", found.end())
        stop = len(text) if end < 0 else end
        actions.append(_call(found[1], text[found.end() : stop]))
        at = stop if end < 0 else end + len("</function>")
    thought.append(text[at:])
    return "".join(thought).strip(), actions


def _call(name: str, body: str) -> Action:
    arguments: dict[str, str] = {}
    at = 0
    while (found := PARAMETER.search(body, at)) is not None:
        end = body.find("</parameter>", found.end())
        stop = len(body) if end < 0 else end
        arguments[found[1]] = body[found.end() : stop].strip("\n")
        at = stop
    return Action(tool=name, command=command_of(name, arguments))


def command_of(tool: str, arguments: dict) -> str:
    """The shell command of a shell's arguments, else the arguments as JSON text."""
    command = shell_command(tool, arguments)
    return orjson.dumps(arguments).decode() if command is None else command


def shell_command(tool: str, arguments: object) -> str | None:
    """The command given to a shell; None for other tools and other arguments."""
    if tool in SHELLS and isinstance(arguments, dict):
        for key in SHELL_ARGUMENTS:
            given = arguments.get(key)
            if isinstance(given, str):
                return given.rstrip("\n") if key == "keystrokes" else given
            if isinstance(given, list) and given and all(isinstance(one, str) for one in given):
                return given[-1] if given[1:-1] in STARTED else shlex.join(given)
    return None


def execute_tags(text: str) -> Split:
    """`<execute_bash>`, `<execute_ipython>`, `<execute_browse>` (OpenHands before 0.13)."""
    blocks = sorted(
        (*span, tool)
        for tool in ("execute_bash", "execute_ipython", "execute_browse")
        for span in enclosed(text, f"<{tool}>", f"</{tool}>")
    )
    actions = [Action(tool, text[inner:end].strip("\n")) for _, inner, end, _, tool in blocks]
    return _without(text, ((start, stop) for start, _, _, stop, _ in blocks)), actions


def command_tag(text: str) -> Split:
    """The last `<command>` block (SWE-agent's XML parser)."""
    start, stop = text.rfind("<command>"), text.rfind("</command>")
    if not 0 <= start < stop:
        return text.strip(), []
    command = text[start + len("<command>") : stop]
    return _without(text, [(start, stop + len("</command>"))]), [_interface_action(command)]


def bash_fences(text: str, mark: str = "```bash\n") -> Split:
    """Every ```bash block (mini-swe-agent 1.x executes exactly one)."""
    thought, actions, at = "", [], 0
    while (start := text.find(mark, at)) >= 0:
        inner = start + len(mark)
        end = text.find("\n```", inner)
        if end < 0:
            break
        thought += text[at:start]
        actions.append(Action("bash", text[inner:end].strip()))
        at = end + len("\n```")
    return (thought + text[at:]).strip(), actions


mswea_fences = partial(bash_fences, mark=MSWEA)
"""Every ```mswea_bash_command block (mini-swe-agent 2.x)."""


def last_fence(text: str) -> Split:
    """The last closed block in triple backticks that is not inside another (SWE-agent)."""
    opened: list[re.Match[str]] = []
    block: tuple[re.Match[str], re.Match[str]] | None = None
    for fence in FENCE.finditer(text):
        if opened and not fence[1]:
            start = opened.pop()
            block = block if opened else (start, fence)
        else:
            opened.append(fence)
    if block is None:
        return text.strip(), []
    start, close = block
    command = text[start.end() : close.start()]
    return _without(text, [(start.start(), close.end())]), [_interface_action(command)]


def _interface_action(command: str) -> Action:
    command = command.strip("\n")
    words = command.split(None, 1)
    word = words[0] if words else ""
    return Action(word if word in SWE_AGENT_COMMANDS else "bash", command)


def keystrokes(text: str) -> Split:
    """A JSON object of `commands`, each with its `keystrokes` (Terminus 2); a turn whose object is
    broken ran nothing."""
    try:
        given = orjson.loads(text[text.find("{") : text.rfind("}") + 1])
    except orjson.JSONDecodeError:
        return prose(text)
    stated = given.get("commands")
    commands = stated if isinstance(stated, list) else []
    typed = [one.get("keystrokes") for one in commands if isinstance(one, dict)]
    actions = [Action("bash", one.rstrip("\n")) for one in typed if isinstance(one, str) and one]
    said = (given.get("analysis"), given.get("plan"))
    return "\n".join(one for one in said if isinstance(one, str)), actions


def prose(text: str) -> Split:
    """A turn without any action."""
    return text.strip(), []


def _without(text: str, spans: Iterable[tuple[int, int]]) -> str:
    kept, at = [], 0
    for start, stop in spans:
        kept.append(text[at:start])
        at = max(at, stop)
    kept.append(text[at:])
    return "".join(kept).strip()


TELLING_TURNS = 10

MARKED: tuple[tuple[str, Protocol], ...] = (
    ("<function=", function_calls),
    ("<execute_", execute_tags),
    (MSWEA, mswea_fences),
    ("<command>", command_tag),
)
"""Protocols whose mark cannot be mistaken for prose."""
PROTOCOLS = (*MARKED, ('"keystrokes"', keystrokes), ("```bash\n", bash_fences), ("```", last_fence))


def protocol_of(texts: Iterable[str]) -> Protocol:
    """The protocol that most turns of a run use; `prose` where none uses any.

    A run has one protocol: a fence in the prose of an OpenHands turn is not an action. The
    first turns tell which.
    """
    counts = dict.fromkeys((protocol for _, protocol in PROTOCOLS), 0)
    for text in islice(texts, TELLING_TURNS):
        for mark, protocol in PROTOCOLS:
            if mark in text:
                counts[protocol] += 1
                break
    most = max(counts, key=counts.__getitem__)
    return most if counts[most] else prose


def split_action(text: str, protocol: Protocol) -> Split:
    """Thought and actions of one turn.

    Where the run's protocol finds nothing, the marked ones are tried: a model sometimes
    submits in the protocol that it was trained on.
    """
    thought, actions = protocol(text)
    if actions or protocol is prose:
        return thought, actions
    for mark, other in MARKED:
        if other is not protocol and mark in text:
            return other(text)
    return thought, actions
