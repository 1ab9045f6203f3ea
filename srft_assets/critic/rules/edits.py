"""What a step changes: edits by shell programs, by Python, and by the scaffolds' edit tools."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath

import orjson

from srft_assets.critic.rules.commands import Program
from srft_assets.trajectories.model import Action

EDITORS = frozenset(
    {"str_replace_editor", "str_replace_based_edit_tool", "edit_file", "edit", "create", "insert"}
    | {"append", "file_editor", "apply_patch"}
    | {"Edit", "MultiEdit", "Write", "NotebookEdit"}  # Claude Code
    | {"replace", "write_file", "write", "patch"}  # Gemini CLI, opencode
    | {"write_to_file", "replace_in_file", "apply_diff", "insert_content", "search_and_replace"}
)
"""Tools that change files, whatever they are given."""
PATHS = ("path", "file_path", "filePath", "notebook_path")
OLDS = ("old_str", "old_string", "oldString", "search")
WHOLES = ("file_text", "content")
NEWS = ("new_str", "new_string", "newString", "replace", *WHOLES, "new_source", "diff")
PATCHES = ("input", "patch", "patchText")
"""What such tools call a file, what is replaced in it, a whole text, any text that comes there, and
a patch."""
_SECTION = re.compile(r"^\*\*\* (?:Add|Update|Delete) File: (.+)$", re.MULTILINE)
"""The beginning of a file in a patch of Codex CLI's."""
SEES = frozenset({"view", "open", "goto"})
EVERY_FILE = "*"
OPEN_FILE = "open file"
"""Stands for the file that SWE-agent's `open` shows."""
HEAD_CHARS = 20_000
"""A longer text that is replaced, or put in its place, is read to here."""
DEEPEST = 32
"""Names of a path, from its end, by which it is found."""
NO_CODE = frozenset({".md", ".rst", ".txt", ".log", ".json", ".csv", ".out", ".patch", ".diff"})
CODE = re.compile(
    r"\.(py[xi]?|[ch]|cc|[ch]pp|[jt]sx?|java|go|rs|rb|php|html|css|cfg|toml|ini|ya?ml|rst|md)$"
)
"""Ends of the names of files that a script in Python is written to edit."""
_ADDRESS = r"(?:\d+|\$|/(?:[^/\\]|\\.)*/)"
SUBSTITUTION = re.compile(rf"\s*(?:{_ADDRESS}(?:,{_ADDRESS})?\s*)?s([|/#,@!%~])")
"""The beginning of `12,14s/old/new/` of sed, with the sign that stands between its parts."""
_TRIAL = re.compile(
    r"(^|/)(tests?|testing|repro|reproduce|reproduction|check|verify|poc|debug|demo|example)[^/]*$"
    r"|(^|/)(tests?|repro\w*)/|_test\.\w+$|^/tmp/"
)
_PYTHON_WRITES = re.compile(
    r"\.write(_text|_bytes|lines)?\(|\b(shutil\.(copy|move)|os\.(rename|replace|remove))"
)
_PYTHON_TOOLS = re.compile(
    r"^(edit_file|insert_content|append_file|create_file)\w*\(", re.MULTILINE
)
"""OpenHands' edit tools before 0.13, called in IPython."""
_PYTHON_READS = re.compile(r"\.read(_text|_bytes|lines)?\(|\bin (f|file|fp)\b|fileinput")
_PYTHON_PATH = re.compile(r"""['"]([\w./-]*\w\.[A-Za-z]\w{0,9})['"]""")


@dataclass(frozen=True, slots=True)
class Edit:
    """One change of a file.

    Attributes:
        path: as it is written; empty where it is not known, `*` for the whole tree.
        old: what is replaced, as far as the command says it.
        new: what is put in its place.
        restores: whether the file returns to an earlier state.
        trial: whether the file is one of the run's own, written to try something.
    """

    path: str
    old: str = ""
    new: str = ""
    restores: bool = False
    trial: bool = False

    @property
    def of_source(self) -> bool:
        """Whether the file looks like code of the repository, not like a test, trial or text."""
        if self.trial or self.path in ("", EVERY_FILE) or _TRIAL.search(self.path):
            return False
        return PurePosixPath(self.path).suffix not in NO_CODE

    def is_of(self, path: str) -> bool:
        """Whether it changes this file, in whatever folder either path begins."""
        return self.path == EVERY_FILE or same_file(self.path, path)


@lru_cache(maxsize=65536)
def same_file(one: str, other: str) -> bool:
    """Whether two paths may name one file: the shorter is the end of the longer."""
    one, other = (path.removeprefix("./") for path in (one, other))
    short, long = sorted((one, other), key=len)
    return bool(short) and (short == long or long.endswith("/" + short.lstrip("/")))


class Files:
    """Files by path, of which each is also found by another spelling; see `same_file`."""

    def __init__(self, paths: Iterable[str] = ()) -> None:
        self._texts: dict[str, str] = {}
        self._paths: dict[str, str] = {}
        self._ends: dict[str, str] = {}
        self.add(dict.fromkeys(paths, ""))

    def add(self, texts: Mapping[str, str]) -> None:
        """Take the texts of files; later ones count."""
        self._texts.update(texts)
        for path in texts:
            for number, end in enumerate(_ends(path)):
                self._ends.setdefault(end, path)
                if number == 0:
                    self._paths.setdefault(end, path)

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def find(self, path: str) -> str | None:
        ends = list(_ends(path))
        longer = self._ends.get(ends[0]) if ends else None
        return longer or next((self._paths[end] for end in ends if end in self._paths), None)

    def text(self, path: str) -> str:
        found = self.find(path)
        return "" if found is None else self._texts[found]


def _ends(path: str) -> Iterator[str]:
    """The path, and the path without its first names: `a/b.py`, `b.py`."""
    names = path.removeprefix("./").lstrip("/").split("/")[-DEEPEST:]
    return ("/".join(names[place:]) for place in range(len(names)) if names[place])


def undoes(later: Edit, earlier: Edit) -> bool:
    if not earlier.path or earlier.restores:
        return False
    swapped = later.old == earlier.new and later.new == earlier.old != earlier.new
    return (later.restores or swapped) and later.is_of(earlier.path)


def same_place(later: Edit, earlier: Edit) -> bool:
    """Whether the later edit replaces what the earlier one replaced, or put there."""
    if later.restores or not later.is_of(earlier.path):
        return False
    put = {line.strip() for line in earlier.new.splitlines()} - {
        line.strip() for line in earlier.old.splitlines()
    }
    taken = {line.strip() for line in later.old.splitlines()}
    return bool(later.old) and (later.old == earlier.old or any(map(bool, put & taken)))


def edits_of(action: Action, programs: tuple[Program, ...], written: Files) -> list[Edit]:
    """Edits of one action. `written`: files that the run wrote before."""
    if action.tool in EDITORS:
        return list(_by_tool(action))
    if _PYTHON_TOOLS.search(action.command) and not programs:
        return [Edit("", new=action.command[:HEAD_CHARS])]
    return [edit for program in programs for edit in _by_program(program, written)]


def texts_of(action: Action, programs: tuple[Program, ...]) -> dict[str, str]:
    """Text by path of the files that an action writes as a whole."""
    texts = {path: one.stdin for one in programs for path in one.writes if one.stdin}
    texts |= {path: one.stdin for one in programs if one.name == "tee" for path in one.operands}
    stated = _stated(action.command) if action.tool in EDITORS else {}
    if whole := _first(stated, WHOLES):
        texts[_first(stated, PATHS)] = whole
    return texts


def _stated(arguments: str) -> dict:
    try:
        stated = orjson.loads(arguments)
    except orjson.JSONDecodeError:
        return {}
    return stated if isinstance(stated, dict) else {}


def _first(stated: Mapping, names: Iterable[str]) -> str:
    """The first of these arguments that is text; empty where none is."""
    given = (stated.get(name) for name in names)
    return next((text for text in given if isinstance(text, str) and text), "")


def _by_tool(action: Action) -> Iterator[Edit]:
    stated = _stated(action.command)
    patch = _first(stated, PATCHES) if stated else action.command
    if _SECTION.search(patch):
        yield from _by_sections(patch)
        return
    if not stated:
        yield from _by_interface(action)
        return
    path, command = _first(stated, PATHS), stated.get("command")
    if command in SEES:
        return
    several = stated.get("edits")
    for each in several if isinstance(several, list) else [stated]:
        if isinstance(each, dict):
            old, new = _first(each, OLDS), _first(each, NEWS)
            yield Edit(path, old[:HEAD_CHARS], new[:HEAD_CHARS], restores=command == "undo_edit")


def _by_sections(patch: str) -> Iterator[Edit]:
    """Files of `*** Update File: PATH`, with the lines that go and those that come."""
    _, *parts = _SECTION.split(patch)
    for path, lines in zip(parts[::2], parts[1::2], strict=True):
        old, new = (
            "\n".join(line[1:] for line in lines.splitlines() if line.startswith(sign))
            for sign in "-+"
        )
        yield Edit(path.strip(), old[:HEAD_CHARS], new[:HEAD_CHARS])


def _by_interface(action: Action) -> Iterator[Edit]:
    """SWE-agent's commands: `edit 3:5` of the open file, `create FILE`, `str_replace_editor …`."""
    words = action.command[:HEAD_CHARS].split(maxsplit=3)
    if action.tool.startswith("str_replace") and len(words) > 2:
        if words[1] not in SEES:
            yield Edit(words[2], new=words[3] if len(words) > 3 else "")
    elif action.tool == "create":
        yield Edit(words[1] if len(words) > 1 else "")
    else:
        new = action.command[:HEAD_CHARS]
        yield Edit(OPEN_FILE, old=words[1] if len(words) > 1 else "", new=new)


def _by_program(program: Program, written: Files) -> Iterator[Edit]:
    for path in program.writes:
        yield Edit(path, new=program.stdin)
    words = program.operands
    if program.name in ("sed", "perl") and rewrites(program, written):
        yield from _in_place_edits(program)
    elif program.name == "tee":
        yield from (Edit(path, new=program.stdin) for path in words)
    elif program.name == "patch":
        yield from (Edit(path) for path in words or _patched(program.stdin) or [""])
    elif program.name == "git":
        yield from _by_git(program)
    elif program.name in ("ed", "ex", "truncate", "apply_patch"):
        yield from (Edit(path) for path in words or [""])
    elif program.name in ("mv", "cp") and len(words) > 1:
        one, other = words[-2:]
        copy = one.startswith(other) or other.startswith(one)
        yield Edit(other, trial=copy)
    elif program.name in ("rm", "unlink"):
        yield from (Edit(path, trial=True) for path in words)
    elif program.is_python:
        code = _python_code(program, written)
        if _PYTHON_WRITES.search(code):
            trial = not rewrites(program, written)
            for path in dict.fromkeys(_PYTHON_PATH.findall(code)) or [""]:
                yield Edit(path, trial=trial or not CODE.search(path))


def _python_code(program: Program, written: Files) -> str:
    script = program.script
    return written.text(script) if script else program.code


def rewrites(program: Program, written: Files) -> bool:
    """Whether a program is there to edit files: `sed -i`, `patch`, Python that reads and writes."""
    if program.is_python:
        code = _python_code(program, written)
        both = _PYTHON_WRITES.search(code) and _PYTHON_READS.search(code)
        return bool(both) and any(CODE.search(path) for path in _PYTHON_PATH.findall(code))
    if program.name in ("sed", "perl"):
        return any(_in_place(word) for word in program.arguments)
    return program.name in ("patch", "ed", "ex") or (
        program.name == "git" and program.operands[:1] == ("apply",)
    )


def _in_place(word: str) -> bool:
    """`-i`, `-i.bak`, `-ni`, `-pi`, `--in-place`."""
    return word.startswith("--in-place") or re.match(r"-[A-Za-z]*i", word) is not None


def _in_place_edits(program: Program) -> Iterator[Edit]:
    arguments, scripts, files = iter(program.arguments), [], []
    for word in arguments:
        if word in ("-e", "--expression", "-f", "-pe", "-ne"):
            scripts.append(next(arguments, ""))
        elif not word.startswith("-"):
            files.append(word)
    if not scripts and files:
        scripts.append(files.pop(0))
    for path in files or [""]:
        for script in scripts:
            yield Edit(path, *_substitution(script))


def _substitution(script: str) -> tuple[str, str]:
    """What a script of sed replaces and by what; of others nothing, and the script itself."""
    found = SUBSTITUTION.match(script)
    parts = re.split(rf"(?<!\\){re.escape(found[1])}", script[found.end() :]) if found else []
    if len(parts) != 3 or not re.fullmatch(r"\w*\s*", parts[2]):
        return "", script
    old, new = (re.sub(r"\\(\W)", r"\1", part) for part in parts[:2])
    return old.removeprefix("^"), new


def _by_git(program: Program) -> Iterator[Edit]:
    words = program.operands
    verb, rest = next(iter(words), ""), words[1:]
    if verb == "apply":
        yield from (Edit(path) for path in _patched(program.stdin) or [""])
    elif verb == "stash":
        if rest[:1] not in (("list",), ("show",)):
            yield Edit(EVERY_FILE)
    elif verb == "reset" and "--hard" in program.arguments:
        yield Edit(EVERY_FILE, restores=True)
    elif verb == "restore" or (verb == "checkout" and "-b" not in program.arguments):
        paths = [word for word in rest if verb == "restore" or "/" in word or "." in word]
        if "--" in program.arguments:
            paths = list(program.arguments[program.arguments.index("--") + 1 :])
        for path in paths:
            yield Edit(EVERY_FILE if path in (".", ":/") else path, restores=True)
    elif verb in ("rm", "mv", "revert", "cherry-pick", "merge", "pull", "clean"):
        yield from (Edit(path) for path in rest or [""])


def _patched(diff: str) -> list[str]:
    return re.findall(r"^\+\+\+ (?:b/)?(\S+)", diff, re.MULTILINE)
