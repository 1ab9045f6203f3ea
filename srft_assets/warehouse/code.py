"""Digest of the meaning of Python code: comments, docstrings and layout do not count."""

import ast
import hashlib
from functools import cache
from importlib.util import find_spec
from pathlib import Path


@cache
def code_digest(*modules: str) -> str:
    """16 hex digits over the syntax trees of modules and packages, given by dotted name.

    A package stands for all modules below it. Raises ModuleNotFoundError for unknown names.
    """
    sha = hashlib.sha256()
    for module in sorted(modules):
        for path in _files(module):
            sha.update(_meaning(path.read_text(encoding="utf-8")).encode())
    return sha.hexdigest()[:16]


def _files(module: str) -> list[Path]:
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(module)
    origin = Path(spec.origin)
    return sorted(origin.parent.rglob("*.py")) if origin.name == "__init__.py" else [origin]


def _meaning(source: str) -> str:
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and ast_docstring(node):
            node.body = body[1:]  # type: ignore[attr-defined]
    return ast.dump(tree)


def ast_docstring(node: ast.AST) -> bool:
    """Whether the node's first statement is a docstring."""
    holds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return isinstance(node, holds) and ast.get_docstring(node, clean=False) is not None
