"""docs/promises.md names tests that are there."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_each_of_the_ten_promises_has_a_test():
    promises = re.split(r"^\d+\. ", (ROOT / "docs/promises.md").read_text(), flags=re.MULTILINE)[1:]
    named = [re.findall(r"`(tests/\S+\.py)::(\w+)`", promise) for promise in promises]
    assert len(promises) == 10
    assert all(named)
    lost = [f"{file}::{test}" for tests in named for file, test in tests if not _holds(file, test)]
    assert lost == []


def _holds(file: str, test: str) -> bool:
    path = ROOT / file
    return path.is_file() and any(
        isinstance(node, ast.FunctionDef) and node.name == test
        for node in ast.parse(path.read_text()).body
    )
