"""Edits that an action makes, as far as its text shows them."""

import re
from dataclasses import dataclass

import orjson

from srft_assets.trajectories.model import Action

_SED = re.compile(r"sed\s+(?:-\w+\s+)*-i\S*\s+(?:-\w+\s+)*(['\"])s(.)(.*?)\2(.*?)\2\w*\1\s+(\S+)")
_WRITE = re.compile(r"(?:cat|tee)\b[^\n|]*?>{1,2}\s*([^\s<;&|]+)|\btee\s+(?:-a\s+)?([^\s<;&|]+)")
_RESTORE = re.compile(r"git\s+(?:checkout(?:\s+\S+)?\s+--|checkout|restore)\s+([^\s;&|]+)")
_RESTORE_ALL = re.compile(r"git\s+(?:stash\b(?!\s+(?:pop|list|show))|reset\s+--hard)")
_WINDOW_EDIT = re.compile(r"^edit\s+\d+:\d+", re.MULTILINE)
_SCRATCH = re.compile(
    r"(^|/)(test|tests|repro|reproduce|reproduction|check|verify|poc|debug)[^/]*$"
)
EVERY_FILE = "*"


@dataclass(frozen=True, slots=True)
class Edit:
    """One change of a file.

    `old` and `new` are empty where only the file is known; `restores` marks a return to an
    earlier state (of `EVERY_FILE` for a reset of the whole tree).
    """

    path: str
    old: str = ""
    new: str = ""
    restores: bool = False

    @property
    def of_source(self) -> bool:
        """Whether the file looks like code of the repository, not like a test or a trial script."""
        return not _SCRATCH.search(self.path)


def edits_of(action: Action) -> list[Edit]:
    """Edits of one action: sed -i, redirections, git checkout, and the scaffolds' edit tools."""
    if action.tool in {"str_replace_editor", "str_replace_based_edit_tool", "edit_file", "edit"}:
        return _tool_edits(action.command)
    return _shell_edits(action.command)


def _tool_edits(arguments: str) -> list[Edit]:
    try:
        stated = orjson.loads(arguments)
    except orjson.JSONDecodeError:
        return _shell_edits(arguments)
    if not isinstance(stated, dict):
        return []
    path = str(stated.get("path", ""))
    command = stated.get("command")
    if command == "undo_edit":
        return [Edit(path, restores=True)]
    if command == "view":
        return []
    old = str(stated.get("old_str") or stated.get("search") or "")
    new = str(stated.get("new_str") or stated.get("replace") or stated.get("file_text") or "")
    return [Edit(path, old, new)]


def _shell_edits(command: str) -> list[Edit]:
    edits = [Edit(match[5], match[3], match[4]) for match in _SED.finditer(command)]
    edits += [Edit(match[1] or match[2]) for match in _WRITE.finditer(command)]
    edits += [Edit(match[1], restores=True) for match in _RESTORE.finditer(command)]
    if _RESTORE_ALL.search(command):
        edits.append(Edit(EVERY_FILE, restores=True))
    if not edits and _WINDOW_EDIT.search(command):
        edits.append(Edit("open file", new=command))
    return edits


def undoes(later: Edit, earlier: Edit) -> bool:
    """Whether the later edit takes the earlier one back."""
    if later.restores:
        return not earlier.restores and later.path in (EVERY_FILE, earlier.path, ".")
    swapped = (later.old, later.new) == (earlier.new, earlier.old)
    return later.path == earlier.path and bool(earlier.old or earlier.new) and swapped
