"""Source files of generated repositories."""

import inspect
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from srft_assets.lab import check
from srft_assets.lab.functions import Case, Function

CHECK = "python3 check.py"
"""The command that the agent runs the tests with."""

Cases = Mapping[str, Sequence[Case]]
"""Function name → arguments of its test."""


def module_source(functions: Sequence[Function]) -> str:
    """The module, functions in the order given."""
    return "\n\n".join(function.source for function in functions)


def test_source(module: str, title: str, functions: Sequence[Function], cases: Cases) -> str:
    """A unittest file; what a function should return is the message of its assertions."""
    lines = [
        "import unittest",
        "",
        f"import {module}",
        "",
        "",
        f"class {title}(unittest.TestCase):",
    ]
    for function in functions:
        name = function.name.function
        lines.append(f"    def test_{name}(self):")
        for case in cases[name]:
            call = f"{module}.{name}({', '.join(map(str, case))})"
            lines.append(
                f'        self.assertEqual({call}, {function.call(case)}, "{function.expression}")'
            )
        lines.append("")
    return "\n".join(lines)


@cache
def check_source() -> str:
    """`check.py` as it is shipped in every repository."""
    return Path(inspect.getfile(check)).read_text(encoding="utf-8")
