"""The lab's own test files, read instead of run."""

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from srft_assets.experiment.grammar import NotPlainError, Plain

MAX_SHOWN = 60
"""Characters of a value that unittest shows whole."""


@dataclass(frozen=True, slots=True)
class Assertion:
    """`self.assertEqual(module.function(*arguments), want, message)`."""

    function: str
    arguments: tuple[int, ...]
    want: int | bool
    message: str


@dataclass(frozen=True, slots=True)
class PlainTest:
    """One test method, by its name without `test_`, and its assertions in order."""

    name: str
    assertions: tuple[Assertion, ...]

    def failure(self, functions: Mapping[str, Plain]) -> str | None:
        """The last line of what unittest says of it; None where it passes.

        Raises NotPlainError where the functions do not settle it.
        """
        for one in self.assertions:
            if one.function not in functions:
                raise NotPlainError(f"{one.function} is gone")
            try:
                got = functions[one.function].call(one.arguments)
            except (NameError, ZeroDivisionError) as error:
                return str(error)
            if got != one.want:
                if max(len(repr(got)), len(repr(one.want))) > MAX_SHOWN:
                    raise NotPlainError("unittest shortens such values")
                return f"{got!r} != {one.want!r} : {one.message}"
        return None


@lru_cache(maxsize=4096)
def plain_tests(source: str) -> tuple[PlainTest, ...]:
    """The tests of a file of one class, in the order in which unittest runs them.

    Raises NotPlainError for a file of another kind.
    """
    classes = [node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)]
    imports = [node for node in ast.parse(source).body if isinstance(node, ast.Import)]
    if len(classes) != 1 or len(ast.parse(source).body) != len(classes) + len(imports):
        raise NotPlainError("not one class of tests")
    return tuple(sorted((_test(node) for node in classes[0].body), key=lambda test: test.name))


def _test(node: ast.stmt) -> PlainTest:
    if not isinstance(node, ast.FunctionDef) or not node.name.startswith("test_"):
        raise NotPlainError("no test")
    return PlainTest(node.name.removeprefix("test_"), tuple(_assertion(one) for one in node.body))


def _assertion(node: ast.stmt) -> Assertion:
    match node:
        case ast.Expr(
            value=ast.Call(
                func=ast.Attribute(value=ast.Name(id="self"), attr="assertEqual"),
                args=[
                    ast.Call(func=ast.Attribute(attr=function), args=arguments, keywords=[]),
                    want,
                    ast.Constant(value=str(message)),
                ],
                keywords=[],
            )
        ):
            values = tuple(ast.literal_eval(one) for one in arguments)
            return Assertion(function, values, ast.literal_eval(want), message)
    raise NotPlainError("no plain assertion")
