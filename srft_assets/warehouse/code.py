"""Digest of the meaning of code that people extend; equal on every Python that is supported."""

import ast
import hashlib
from importlib.util import find_spec
from pathlib import Path

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
