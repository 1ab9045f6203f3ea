"""Test results read off printed output: the second choice, for it is easily forged."""

import re

from srft_assets.outcomes.test_ids import VERBOSE, canonical

UNITTEST = re.compile(
    rf"^{VERBOSE.pattern}(?:\n[^\n]*?)? \.\.\. (?P<outcome>ok|FAIL|ERROR|skipped|expected failure|"
    r"unexpected success)",
    re.MULTILINE,
)
"""`test_x (mod.Class) ... ok`; the docstring of a test stands on a line between."""
PYTEST = re.compile(r"^(?P<outcome>PASSED|FAILED|ERROR|SKIPPED|XFAIL|XPASS) (?P<test>\S.*)$", re.M)
SUMMARY = "short test summary info"
OUTCOMES = {
    "ok": "passed",
    "PASSED": "passed",
    "XPASS": "passed",
    "expected failure": "xfailed",
    "XFAIL": "xfailed",
    "skipped": "skipped",
    "SKIPPED": "skipped",
}


def parse_printed(output: str) -> list[tuple[str, str]]:
    """(test, outcome) of `unittest -v` and `pytest -rA` output, in order.

    Of pytest only the last summary counts; ids keep their spaces, messages after ` - ` go.
    """
    found = [
        (canonical(f"{match['method']} ({match['owner']})"), _outcome(match["outcome"]))
        for match in UNITTEST.finditer(output)
    ]
    _, cut, summary = output.rpartition(SUMMARY)
    if cut:
        for match in PYTEST.finditer(summary):
            test = match["test"] if match["outcome"] == "PASSED" else _before_message(match["test"])
            found.append((test, _outcome(match["outcome"])))
    return found


def _outcome(word: str) -> str:
    return OUTCOMES.get(word, "failed")


def _before_message(text: str) -> str:
    return text.partition(" - ")[0]
