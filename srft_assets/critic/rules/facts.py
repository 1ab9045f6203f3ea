"""What the rules can see of a step, read once from its actions and observations."""

import re
from dataclasses import dataclass

import orjson

from srft_assets.trajectories.model import Action, Step, Trajectory

_SED = re.compile(r"sed\s+(?:-\w+\s+)*-i\S*\s+(?:-\w+\s+)*(['\"])s(.)(.*?)\2(.*?)\2\w*\1\s+(\S+)")
_WRITE = re.compile(r"(?:cat|tee)\b[^\n|]*?>{1,2}\s*([^\s<;&|]+)|\btee\s+(?:-a\s+)?([^\s<;&|]+)")
_RESTORE = re.compile(r"git\s+(?:checkout(?:\s+\S+)?\s+--|checkout|restore)\s+([^\s;&|]+)")
_RESTORE_ALL = re.compile(r"git\s+(?:stash\b(?!\s+(?:pop|list|show))|reset\s+--hard)")
_WINDOW_EDIT = re.compile(r"^edit\s+\d+:\d+", re.MULTILINE)
_SCRATCH = re.compile(
    r"(^|/)(test|tests|repro|reproduce|reproduction|check|verify|poc|debug)[^/]*$"
)
EDITORS = frozenset({"str_replace_editor", "str_replace_based_edit_tool", "edit_file", "edit"})
"""Tools whose arguments are JSON that states the edit."""
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
    if action.tool in EDITORS:
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


SUBMIT_MARKS = ("COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT", "MINI_SWE_AGENT_FINAL_OUTPUT")
SUBMIT_TOOLS = frozenset({"submit", "finish"})

_TESTS = re.compile(
    r"\b(pytest|py\.test|unittest|runtests\.py|tox|nosetests|manage\.py test|bin/test|check\.py)\b"
    r"|\bpython3?\s+\S*(test|reproduce|repro|verify|check)\w*\.py"
)
_TEST_FAILURE = re.compile(
    r"^(FAILED|FAIL:|ERROR:|E  )|\b[1-9]\d* (failed|errors?)\b|\bFAILED \(|Traceback \(most recent",
    re.MULTILINE,
)
_TEST_SUCCESS = re.compile(r"\b\d+ passed\b|^OK\b|\bAll tests? passed\b", re.MULTILINE)
_REFUSED = re.compile(
    r"Your proposed edit has introduced new syntax error|No replacement was performed"
    r"|Invalid `path` parameter|ERROR:\nNo replacement|Your edit was not applied"
    r"|Text '.*' not found|Failed to edit",
)
_SHELL_FAILURE = re.compile(
    r"command not found|No such file or directory|Permission denied|syntax error near"
    r"|SyntaxError: |IndentationError: |unrecognized (option|arguments?)|fatal: "
    r"|unterminated `s' command|can't read|timed out",
)
_FORMAT_REMINDER = re.compile(
    r"EXACTLY ONE action|Your output was not formatted correctly|No tool calls? found"
    r"|Please make sure your output precisely matches|Format error|Tool call error",
    re.IGNORECASE,
)
_HEREDOC = re.compile(r"<<-?\s*(['\"]?)(\w+)\1[^\n]*\n.*?^\s*\2\s*$", re.MULTILINE | re.DOTALL)
_HEAD_CHARS = 20_000


@dataclass(frozen=True, slots=True)
class StepFacts:
    """Facts of one step. `ok` means that nothing said the step failed."""

    commands: tuple[str, ...]
    observation: str
    edits: tuple[Edit, ...]
    runs_tests: bool
    tests_passed: bool
    tests_failed: bool
    submits: bool
    edit_refused: bool
    command_failed: bool
    format_error: bool

    @property
    def ok(self) -> bool:
        """Whether the step did what it set out to do."""
        return not (self.edit_refused or self.command_failed or self.format_error)


def facts_of(run: Trajectory) -> list[StepFacts]:
    """Facts of every step, in step order."""
    return [_facts(step) for step in run.steps]


def _facts(step: Step) -> StepFacts:
    commands = tuple(f"{action.tool} {action.command}".strip() for action in step.actions)
    seen = "\n".join(text[:_HEAD_CHARS] for text in step.observations)
    codes = [code for code in step.return_codes if code is not None]
    shell = tuple(_HEREDOC.sub("", a.command) for a in step.actions if a.tool not in EDITORS)
    runs_tests = any(_TESTS.search(command) for command in shell)
    failed_code = any(code != 0 for code in codes)
    tests_failed = runs_tests and (failed_code or bool(_TEST_FAILURE.search(seen)))
    submits = any(_submits(action.tool, action.command) for action in step.actions)
    return StepFacts(
        commands=commands,
        observation=seen,
        edits=tuple(edit for action in step.actions for edit in edits_of(action)),
        runs_tests=runs_tests,
        tests_passed=runs_tests and not tests_failed and _passed(codes, seen),
        tests_failed=tests_failed,
        submits=submits,
        edit_refused=bool(_REFUSED.search(seen)),
        command_failed=not runs_tests and not submits and _command_failed(shell, codes, seen),
        format_error=not step.actions and bool(_FORMAT_REMINDER.search(seen)),
    )


def _submits(tool: str, command: str) -> bool:
    return (
        tool in SUBMIT_TOOLS
        or command.strip() == "submit"
        or (any(mark in command for mark in SUBMIT_MARKS))
    )


def _passed(codes: list[int], seen: str) -> bool:
    return (bool(codes) and all(code == 0 for code in codes)) or bool(_TEST_SUCCESS.search(seen))


def _command_failed(commands: tuple[str, ...], codes: list[int], seen: str) -> bool:
    """Non-zero exit, less the tools for which 1 is an answer; else the shell's own words."""
    if any(code not in (0, 1) for code in codes):
        return True
    if any(code == 1 for code in codes):
        return not any(re.search(r"\b(grep|rg|diff|cmp|test)\b", command) for command in commands)
    return not codes and bool(_SHELL_FAILURE.search(seen[:2000]))
