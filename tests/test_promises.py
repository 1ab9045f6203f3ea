"""docs/promises.md and docs/threats.md name tests that are there."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_each_of_the_ten_promises_has_a_test():
    promises = re.split(r"^\d+\. ", (ROOT / "docs/promises.md").read_text(), flags=re.MULTILINE)[1:]
    assert len(promises) == 10
    assert _lost(promises) == []


def test_each_threat_that_is_held_has_a_test():
    page = (ROOT / "docs/threats.md").read_text()
    heads = {"may try", "---"}
    rows = re.findall(r"^\| .* \|$", page, re.MULTILINE)
    threats = [row for row in rows if row.split(" | ")[0].removeprefix("| ") not in heads]
    assert len(threats) > 20
    assert _lost(threats) == []
    assert "## What is not held" in page


def _lost(told: list[str]) -> list[str]:
    """Of what is told, that without a test, and tests that are gone."""
    lost = []
    for each in told:
        tests = re.findall(r"`((?:tests|plugins)/\S+\.py)::(\w+)`", each)
        lost += [f"{file}::{test}" for file, test in tests if not _holds(file, test)]
        lost += [] if tests else [each]
    return lost


def _holds(file: str, test: str) -> bool:
    path = ROOT / file
    return path.is_file() and any(
        isinstance(node, ast.FunctionDef) and node.name == test
        for node in ast.parse(path.read_text()).body
    )
