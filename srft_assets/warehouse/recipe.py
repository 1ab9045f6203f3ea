"""Provenance: what a partition is made from, known before it is made, and what changed in it."""

import ast
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import orjson


def digest(value: object) -> str:
    """64 hex digits of the SHA-256 of a JSON-able value; key order does not matter."""
    return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()


Code = Mapping[str, str | int]
"""`version` of a stage → number; part of the code that people extend → its `source_digest`."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides the content of one partition.

    Attributes:
        code: see `Code`.
        config: settings, JSON-able.
        inputs: `asset/partition` → data version of that upstream partition.
    """

    code: Code = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """Equal exactly where code, settings and inputs are equal."""
        return digest({"code": self.code, "config": self.config, "inputs": self.inputs})

    def changes_from(self, old: "Recipe") -> list[str]:
        """One line for each thing that differs from `old`, as `code x`, `config y: 1 → 2`, …"""
        lines = [
            f"{name}: {old.code.get(name, 'none')} → {self.code[name]}"
            if isinstance(self.code.get(name), int)
            else f"code {name} changed"
            for name in _differing(old.code, self.code)
        ]
        lines += [
            f"{name}: {change(old.config.get(name), self.config.get(name))}"
            for name in _differing(old.config, self.config)
        ]
        for name in _differing(old.inputs, self.inputs):
            if name not in old.inputs:
                lines.append(f"input {name} is new")
            else:
                lines.append(f"input {name} " + ("changed" if name in self.inputs else "is gone"))
        return lines


def _differing(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    return sorted(name for name in {*old, *new} if old.get(name) != new.get(name))


SHOWN = 60
"""Characters of a value."""
AROUND = 20
"""Characters of a text before and after what differs."""


def change(old: object, new: object) -> str:
    """`old → new`, of long values around the change; of texts of several lines, the first line
    that differs."""
    if isinstance(old, str) and isinstance(new, str) and "\n" in old + new:
        return _line_change(old.splitlines(), new.splitlines())
    before, after = _json(old), _json(new)
    if max(len(before), len(after)) > SHOWN:
        before, after = _around(before, after)
    return f"{_cut(before, 0, SHOWN)} → {_cut(after, 0, SHOWN)}"


def _line_change(old: list[str], new: list[str]) -> str:
    blocks = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    changed = [block for block in blocks if block[0] != "equal"]
    if not changed:
        return "line ends changed"
    _, i, i_end, j, j_end = changed[0]
    more = len(changed) - 1
    before = old[i] if i < i_end else ""
    after = new[j] if j < j_end else ""
    told = f"line {j + 1}: {' → '.join(map(_short, _around(before, after)))}"
    return told + (f", and {more} more {'place' if more == 1 else 'places'}" if more else "")


def _around(old: str, new: str) -> tuple[str, str]:
    """Both lines without what they share far from the change."""
    same = _common(old, new)
    tail = _common(old[same:][::-1], new[same:][::-1])
    start = max(0, same - AROUND)
    return _cut(old, start, len(old) - tail + AROUND), _cut(new, start, len(new) - tail + AROUND)


def _common(one: str, other: str) -> int:
    """Length of what both begin with."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(one), len(other)))


def _cut(text: str, start: int, end: int) -> str:
    return ("…" if start else "") + text[start:end] + ("…" if end < len(text) else "")


def _short(text: str) -> str:
    return _cut(_json(text), 0, SHOWN)


def _json(value: object) -> str:
    return orjson.dumps(value).decode()


HOLDS_DOCSTRING = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def source_digest(*modules: str) -> str:
    """16 hex digits over the syntax of modules and packages, given by dotted name.

    Comments, docstrings and layout do not count. A package stands for all modules below it.
    The files are read at every call. Raises ModuleNotFoundError for unknown names.
    """
    sha = hashlib.sha256()
    for module in sorted(modules):
        for path in _files(module):
            sha.update(meaning(path.read_text(encoding="utf-8")).encode())
    return sha.hexdigest()[:16]


def _files(module: str) -> list[Path]:
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(module)
    origin = Path(spec.origin)
    return sorted(origin.parent.rglob("*.py")) if origin.name == "__init__.py" else [origin]


@lru_cache(maxsize=64)
def meaning(source: str) -> str:
    """A text that is equal for two sources exactly where their syntax trees are.

    `ast.dump` is not used: its text differs between Python 3.11, 3.12 and 3.13, which know
    further fields and leave out empty ones.
    """
    return _told(ast.parse(source))


def _told(node: object) -> str:
    if isinstance(node, ast.AST):
        fields = (
            f"{name}={_told(_without_docstring(node) if name == 'body' else value)}"
            for name, value in ast.iter_fields(node)
            if value is not None and value != [] and name != "kind"
        )
        return f"{type(node).__name__}({', '.join(fields)})"
    if isinstance(node, list):
        return f"[{', '.join(map(_told, node))}]"
    return repr(node)


def _without_docstring(node: ast.AST) -> object:
    body = node.body  # type: ignore[attr-defined]  # the caller saw the field
    if isinstance(node, HOLDS_DOCSTRING) and ast.get_docstring(node, clean=False) is not None:
        return body[1:]
    return body
