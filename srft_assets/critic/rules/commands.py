"""What a shell command runs: its programs, their arguments, here-documents and redirections.

Read from the syntax tree of tree-sitter-bash, which also reads what is cut off or wrong.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache, cached_property, lru_cache
from itertools import count

import tree_sitter_bash
from tree_sitter import Language, Node, Parser

HEAD_CHARS = 40_000
"""A longer command is read to here."""
PARSER_CALLS = 30
"""The parser reports every hundred or so operations; of 2,861 commands of real runs none took more
than 12 reports. Hostile text costs it quadratic time."""
CHUNK = 4096
"""Bytes that the parser is given at once; only while it asks for them does it report."""
DEPTH = 60
"""Of nested constructs; what lies deeper is not read."""
ASKING = frozenset({"if_statement", "elif_clause", "while_statement"})
WRAPPERS = {
    "sudo": 0, "env": 0, "time": 0, "nohup": 0, "nice": 0, "command": 0, "exec": 0, "stdbuf": 0,
    "xargs": 0, "timeout": 1,
}  # fmt: skip
"""Programs that run another one → arguments of their own before it."""
RUNNERS = frozenset({"conda", "mamba", "micromamba", "poetry", "pipenv", "uv", "pdm", "hatch"})
"""`<name> run … program`."""
VALUED = frozenset({"-u", "-g", "-n", "-k", "-s", "-I", "-P", "-L", "-p", "-C", "--name"})
"""Options of wrappers and runners that take the next word."""
SHELLS = frozenset({"bash", "sh", "zsh", "dash"})
PYTHON = re.compile(r"(python|pypy|ipython)[\d.]*")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_QUOTED_ESCAPE = re.compile(r'\\(["\\$`\n])')


@dataclass(frozen=True)
class Program:
    """One program that a command starts.

    Attributes:
        word: as it is called: `python`, `/usr/bin/sed`, `./run.sh`.
        arguments: as the program gets them; expansions are kept as they are written.
        stdin: text of a here-document or here-string, also through `cat <<EOF |`.
        writes: files that its output goes to.
        asks: whether its failure is an answer: a condition, `!`, or what stands before `||`.
    """

    word: str
    arguments: tuple[str, ...] = ()
    stdin: str = ""
    writes: tuple[str, ...] = ()
    asks: bool = False

    @cached_property
    def name(self) -> str:
        """Without its folder: `python`, `sed`, `run.sh`."""
        return _name(self.word)

    @cached_property
    def is_python(self) -> bool:
        return PYTHON.fullmatch(self.name) is not None

    @cached_property
    def operands(self) -> tuple[str, ...]:
        """The arguments that are no options."""
        return tuple(word for word in self.arguments if not word.startswith("-"))

    @cached_property
    def module(self) -> str:
        """`pytest` of `python -m pytest`; empty else."""
        words = self.arguments
        if self.is_python and "-m" in words[:-1]:
            return words[words.index("-m") + 1]
        return ""

    @cached_property
    def script(self) -> str:
        """Path of the file that an interpreter runs, or of the program itself where it is one."""
        interpreted = self.is_python or self.name in SHELLS or self.name in ("node", "ruby", "perl")
        if not interpreted:
            return self.word if "." in self.name and "/" in self.word else ""
        if self.module or not {"-c", "-e"}.isdisjoint(self.arguments):
            return ""
        return next(iter(self.operands), "")

    @cached_property
    def code(self) -> str:
        """Text that an interpreter is given to run: after `-c`, or on its standard input."""
        words = self.arguments
        if "-c" in words[:-1]:
            return words[words.index("-c") + 1]
        return "" if self.script or self.module else self.stdin


def _name(word: str) -> str:
    return word.rstrip("/").rpartition("/")[2]


@lru_cache(maxsize=4096)
def programs_of(command: str) -> tuple[Program, ...]:
    """Every program in the order of the text.

    None for text that holds no command, or that takes more than PARSER_CALLS to read.
    """
    source = command[:HEAD_CHARS].encode(errors="replace")
    # A fresh parser, as one that was stopped goes on where it was.
    parser, calls = Parser(_language()), count()
    if len(source) <= CHUNK:  # too short to take long, and read at once three times as fast
        tree = parser.parse(source)
    else:
        try:
            tree = parser.parse(
                lambda offset, _: source[offset : offset + CHUNK],
                progress_callback=lambda *_: next(calls) > PARSER_CALLS,
            )
        except ValueError:
            return ()
    return tuple(_programs(tree.root_node, asks=False, depth=0))


@cache
def _language() -> Language:
    return Language(tree_sitter_bash.language())


def _programs(node: Node, asks: bool, depth: int) -> Iterator[Program]:
    if depth > DEPTH:
        return
    if node.type == "command":
        yield from _of_command(node, asks, depth)
    elif node.type == "redirected_statement":
        yield from _redirected(node, asks, depth)
    elif node.type in ("pipeline", "list"):
        yield from _joined(node, asks, depth)
    elif node.type == "test_command":
        yield Program("test", asks=True)
    else:
        asking = asks or node.type == "negated_command"
        for place, child in enumerate(node.children):
            condition = node.type in ASKING and node.field_name_for_child(place) == "condition"
            yield from _programs(child, asking or condition, depth + 1)


def _joined(node: Node, asks: bool, depth: int) -> Iterator[Program]:
    """Of a pipeline or list: what stands before `||` asks, and `cat` hands its text on."""
    text = ""
    children = node.children
    for place, child in enumerate(children):
        asking = asks or any(sign.type == "||" for sign in children[place + 1 : place + 2])
        for program in _programs(child, asking, depth + 1):
            piped = node.type == "pipeline" and text and not program.stdin
            yield replace(program, stdin=text) if piped else program
            text = program.stdin if program.name == "cat" else ""


def _redirected(node: Node, asks: bool, depth: int) -> Iterator[Program]:
    """The redirections belong to the last program of the body."""
    body = node.child_by_field_name("body")
    programs = list(_programs(body, asks, depth + 1)) if body is not None else []
    files: list[str] = []
    text, after = "", []
    for redirect in node.children_by_field_name("redirect"):
        if redirect.type == "heredoc_redirect":
            for place, child in enumerate(redirect.children):
                if child.type == "file_redirect":
                    files += _written(child)
                elif child.type == "heredoc_body":
                    text = _text(child)
                elif child.is_named and not child.type.startswith("heredoc"):
                    follows = redirect.field_name_for_child(place) or child.type
                    after.append((follows, child))
        elif redirect.type == "herestring_redirect":
            text = "".join(_word(child) for child in redirect.named_children)
        else:
            files += _written(redirect)
    last = programs.pop() if programs else Program("")
    programs.append(replace(last, stdin=text or last.stdin, writes=(*last.writes, *files)))
    yield from programs
    for follows, child in after:
        for program in _programs(child, asks, depth + 1):
            piped = follows == "pipeline" and programs[-1].name == "cat" and not program.stdin
            yield replace(program, stdin=text) if piped else program


def _written(redirect: Node) -> list[str]:
    operators = {child.type for child in redirect.children if not child.is_named}
    target = redirect.child_by_field_name("destination")
    if target is None or operators.isdisjoint({">", ">>", "&>", "&>>", ">|"}):
        return []
    path = _word(target)
    return [] if path.startswith(("/dev/", "&")) or path.isdigit() else [path]


def _of_command(node: Node, asks: bool, depth: int) -> Iterator[Program]:
    words, files, text = [], [], ""
    for child in node.named_children:
        if child.type == "file_redirect":
            files += _written(child)
        elif child.type == "herestring_redirect":
            text = "".join(_word(part) for part in child.named_children)
        elif child.type != "variable_assignment":
            words.append(_word(child))
    words = _unwrapped(words)
    if not words:
        return
    program = Program(words[0], tuple(words[1:]), text, tuple(files), asks)
    if program.name in SHELLS and "-c" in words[:-1] and depth < DEPTH:
        for inner in programs_of(words[words.index("-c") + 1]):
            yield replace(inner, asks=asks or inner.asks)
    else:
        yield program


def _unwrapped(words: list[str]) -> list[str]:
    """The words from the program on, without `sudo`, `env A=b`, `timeout 9`, `poetry run`."""
    while words:
        name = _name(words[0])
        if name in RUNNERS and words[1:2] == ["run"]:
            own, words = 0, words[2:]
        elif name in WRAPPERS and len(words) > 1:
            own, words = WRAPPERS[name], words[1:]
        else:
            return words
        while words and (words[0].startswith("-") or _ASSIGNMENT.match(words[0]) or own):
            option = words[0].startswith("-") or _ASSIGNMENT.match(words[0]) is not None
            words = words[2:] if words[0] in VALUED else words[1:]
            own -= 0 if option else 1
    return words


def _text(node: Node) -> str:
    return node.text.decode(errors="replace") if node.text else ""


def _word(node: Node) -> str:
    """A word as the program gets it, expansions aside."""
    text = _text(node)
    if node.type in ("raw_string", "ansi_c_string"):
        return text.removeprefix("$")[1:-1]
    if node.type == "string":
        return _QUOTED_ESCAPE.sub(lambda found: found[1].strip("\n"), text[1:-1])
    if node.type == "word":
        return _ESCAPED.sub(lambda found: found[1].strip("\n"), text)
    if node.type in ("concatenation", "command_name"):
        return "".join(_word(child) for child in node.named_children) or text
    return text
