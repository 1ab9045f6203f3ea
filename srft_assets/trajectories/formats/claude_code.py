"""Claude Code: sessions (`~/.claude/projects/*/SESSION.jsonl`), and what `claude -p --output-format
stream-json` (or `json --verbose`) prints. A file is one session, a line one block of a message.

Lines of one `message.id` are one turn. Lines with `isSidechain` are of subagents, each a run of its
own; newer versions keep them in `SESSION/subagents/agent-ID.jsonl`. After `isCompactSummary` the
model sees the summary alone; after a rewind, what came before the line that was gone back to; after
`/clear`, nothing of what was said before.
"""

import re
from pathlib import PurePosixPath
from typing import Any

from srft_assets.trajectories.formats.anthropic import add_answers, add_turn
from srft_assets.trajectories.model import RecordError, Trajectory, text_of
from srft_assets.trajectories.reader import Facts, Reader, Source
from srft_assets.trajectories.turns import Chat, child_id

SESSION = "claude-code"
LOOKED_AT = 50
SAID = ("user", "assistant")
"""Types of the lines that hold a message."""
BESIDE = frozenset({"sessionId", "session_id", "parentUuid", "leafUuid", "isSnapshotUpdate"})
"""One of these stands in a line of a session."""
SYNTHETIC = "<synthetic>"
"""As model of a message that the program wrote itself, of an error of the server."""
CLEARED = "<command-name>/clear</command-name>"
EXIT_CODE = re.compile(r"Exit code (\d{1,9})\b")
"""Begins the answer of a shell command that failed."""


def is_session(record: Any, path: str) -> bool:
    """Whether lines are of Claude Code: `type`, and an id of the session or of the line's place."""
    lines = record[:LOOKED_AT] if isinstance(record, list) else ()
    return any(_is_line(line) for line in lines)


def _is_line(line: Any) -> bool:
    if not isinstance(line, dict) or BESIDE.isdisjoint(line):
        return False
    kind = line.get("type")
    return isinstance(kind, str) and (kind not in SAID or isinstance(line.get("message"), dict))


class _Lines:
    """One chain of a session: the main one, or that of a subagent."""

    def __init__(self) -> None:
        self.chat = Chat()
        self.model: str | None = None
        self.agent: str | None = None
        self._places: dict[str, int] = {}
        """`uuid` of a line → how many messages there were after it."""
        self._seen: set[str] = set()
        self._linked = False
        """Whether lines name the one before, so that one which names none begins anew."""

    def add(self, line: dict[str, Any]) -> None:
        """Take a line. Raises RecordError."""
        uuid, message = line.get("uuid"), line.get("message")
        if isinstance(uuid, str):
            if uuid in self._seen:
                return
            self._seen.add(uuid)
        self._linked = self._linked or isinstance(line.get("parentUuid"), str)
        hidden = line.get("isVisibleInTranscriptOnly") is True
        if isinstance(message, dict) and (line.get("isCompactSummary") is True or not hidden):
            self._say(line, message)
        if isinstance(uuid, str):
            self._places[uuid] = len(self.chat.messages)

    def _say(self, line: dict[str, Any], message: dict[str, Any]) -> None:
        content = message.get("content")
        model = message.get("model")
        if model == SYNTHETIC:
            return
        if line.get("type") == "assistant":
            if self.model is None and isinstance(model, str):
                self.model = model
            add_turn(self.chat.turn(message.get("id")), content)
        elif line.get("type") == "user":
            self._told(line, content)

    def _told(self, line: dict[str, Any], content: Any) -> None:
        if line.get("isCompactSummary") is True or _clears(text_of(content)):
            self.chat.rewrite([])
            self._places.clear()
        elif not _answers(content):
            self._go_back(line)
        before = len(self.chat.messages)
        add_answers(self.chat, content)
        codes = self.chat.parts[-1].codes
        for place in range(before, len(self.chat.messages)):
            said = self.chat.messages[place]["content"]
            stated = EXIT_CODE.match(said) if place in codes and isinstance(said, str) else None
            if stated:
                codes[place] = int(stated[1])

    def _go_back(self, line: dict[str, Any]) -> None:
        """Where a prompt follows an earlier line, what was said since is not in its context."""
        parent = line.get("parentUuid", "")
        begins = parent is None and self._linked
        place = 0 if begins else self._places.get(parent) if isinstance(parent, str) else None
        if place is None:
            return
        since = self.chat.messages[place:]
        if any(message["role"] == "assistant" for message in since):
            self.chat.rewrite(self.chat.messages[:place])
            self._places = {uuid: at for uuid, at in self._places.items() if at <= place}


def _answers(content: Any) -> bool:
    blocks = content if isinstance(content, list) else ()
    return any(isinstance(one, dict) and one.get("type") == "tool_result" for one in blocks)


def _read(record: Any, source: Source) -> list[Trajectory]:
    if not isinstance(record, list):
        raise RecordError("the record is no list of lines of a session")
    lines = [line for line in record if isinstance(line, dict)]
    chains: dict[str, _Lines] = {}
    roots: dict[str, str] = {}
    session = model = status = None
    for line in lines:
        session = session or line.get("sessionId") or line.get("session_id")
        if line.get("type") == "result":
            status = line.get("subtype")
        if line.get("type") == "system" and line.get("subtype") == "init":
            model = line.get("model")
        name = _chain(line, roots)
        chain = chains.setdefault(name, _Lines())
        chain.agent = chain.agent or (line.get("agentId") if name else None)
        chain.add(line)
    session = session if isinstance(session, str) else None
    spoken = {name: one for name, one in chains.items() if any(p.spoken for p in one.chat.parts)}
    if not spoken:
        raise RecordError("no turn of the assistant among the lines of the session")
    runs = []
    for number, (name, chain) in enumerate(spoken.items()):
        own = child_id(session, chain.agent or f"{number}") if name else session
        facts = Facts(
            instance_id=_instance(source, session),
            scaffold=SESSION,
            model=chain.model or (model if isinstance(model, str) else None),
            exit_status=status if isinstance(status, str) and not name else None,
            stated_id=own,
        )
        runs += chain.chat.runs(source, SESSION, facts)
    return runs


def _chain(line: dict[str, Any], roots: dict[str, str]) -> str:
    """Name of the chain that a line is of; `""` is the main one.

    A subagent's lines bear its `agentId`, in older versions only `parentUuid`, and in the stream
    the id of the call that started it.
    """
    named = line.get("parent_tool_use_id")
    if line.get("isSidechain") is True:
        named = line.get("agentId") or roots.get(str(line.get("parentUuid"))) or line.get("uuid")
    name = named if isinstance(named, str) else ""
    if isinstance(line.get("uuid"), str):
        roots[line["uuid"]] = name
    return name


def _instance(source: Source, session: str | None) -> str | None:
    """The folder that a stream lies in names its task; a session in its project does not."""
    folder = PurePosixPath(source.path).parent
    if source.stem == "claude-code":  # as Harbor lays it: TRIAL/agent/claude-code.txt
        return folder.parent.name or None
    return None if source.stem == session or "subagents" in folder.parts else source.stem


def _clears(said: str) -> bool:
    """Whether a prompt is the command itself, and does not only quote it."""
    return said.lstrip().startswith("<command-") and CLEARED in said


READERS = (Reader(SESSION, is_session, _read, lists=True, lines=True, patches=False),)
