"""Modules of generated repositories as what they compute, without running them.

Only functions of one returned expression are understood: names of their arguments, whole
numbers, arithmetic and comparisons. Everything else raises `NotPlainError`, so text that a model
wrote is never executed.
"""

import ast
import builtins
import operator
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

BINARY: Mapping[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
MAX_NUMBER = 10**9
"""Of numbers in the source; with at most `MAX_SOURCE` characters results stay printable."""
MAX_SOURCE = 20_000


class NotPlainError(Exception):
    """The source holds more than this grammar knows; it says nothing against the source."""


@dataclass(frozen=True, slots=True)
class Plain:
    """A function of one expression."""

    arguments: tuple[str, ...]
    body: ast.expr

    def call(self, values: Sequence[int]) -> int | bool:
        """What it returns. Raises NameError and ZeroDivisionError as Python does."""
        if len(values) != len(self.arguments):
            raise NotPlainError("another number of arguments")
        return _value(self.body, dict(zip(self.arguments, values, strict=True)))


@lru_cache(maxsize=4096)
def plain_functions(source: str) -> Mapping[str, Plain]:
    """The functions of a module by name.

    Raises SyntaxError where Python would on import, and NotPlainError for all that is not plain.
    """
    if len(source) > MAX_SOURCE:
        raise NotPlainError("too long")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        tree = ast.parse(source)
        compile(source, "<module>", "exec")
    if told:
        raise NotPlainError("a warning, which Python prints")
    found = {}
    for node in tree.body:
        name, function = _function(node)
        if name in found:
            raise NotPlainError("defined twice")
        found[name] = function
    _check_names(found)
    return found


def _function(node: ast.stmt) -> tuple[str, Plain]:
    match node:
        case ast.FunctionDef(
            name=name,
            args=ast.arguments(
                posonlyargs=[],
                args=arguments,
                vararg=None,
                kwonlyargs=[],
                kw_defaults=[],
                kwarg=None,
                defaults=[],
            ),
            body=[ast.Return(value=ast.expr() as body)],
            decorator_list=[],
            returns=None,
        ) if not any(one.annotation for one in arguments):
            _check(body)
            return name, Plain(tuple(one.arg for one in arguments), body)
    raise NotPlainError("no function of one expression")


def _check(node: ast.expr) -> None:
    match node:
        case ast.Constant(value=int(number)) if abs(number) <= MAX_NUMBER:
            pass
        case ast.Name():
            pass
        case ast.BinOp(left=left, op=sign, right=right) if type(sign) in BINARY:
            _check(left)
            _check(right)
        case ast.Compare(left=left, ops=[sign], comparators=[right]) if type(sign) in BINARY:
            _check(left)
            _check(right)
        case _:
            raise NotPlainError(f"no plain expression: {type(node).__name__}")


def _check_names(functions: Mapping[str, Plain]) -> None:
    """A name that is no argument must be one that Python does not know either."""
    known = {*functions, *vars(builtins), "__file__", "__builtins__", "__cached__"}
    for function in functions.values():
        free = {one.id for one in ast.walk(function.body) if isinstance(one, ast.Name)}
        if (free - {*function.arguments}) & known:
            raise NotPlainError("a name from outside the function")


def _value(node: ast.expr, names: Mapping[str, int]) -> Any:
    match node:
        case ast.Constant(value=number):
            return number
        case ast.Name(id=name):
            if name not in names:
                raise NameError(f"name {name!r} is not defined")
            return names[name]
        case (
            ast.BinOp(left=left, op=sign, right=right)
            | ast.Compare(left=left, ops=[sign], comparators=[right])
        ):
            return BINARY[type(sign)](_value(left, names), _value(right, names))
    raise NotPlainError(type(node).__name__)
