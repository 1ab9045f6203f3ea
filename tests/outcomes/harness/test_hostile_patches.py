"""Patches that reach for what is not theirs, graded in a real container."""

from pathlib import Path

from tests.outcomes.conftest import new_file
from tests.outcomes.harness.conftest import Grade
from tests.outcomes.harness.project import (
    COMMAND,
    GOLD,
    TEST_FILE,
    WRONG,
    row,
    write_dataset,
)

TASK = "demo__adder-1"
OUTSIDE = "/tmp/srft-escaped"
GREEN = (
    "import unittest\n\n\nclass TestAdder(unittest.TestCase):\n"
    "    def test_zero(self):\n        pass\n\n    def test_add(self):\n        pass\n"
)


def edited_tests() -> str:
    """A patch that makes the tests pass by replacing them."""
    return (
        f"diff --git a/{TEST_FILE} b/{TEST_FILE}\n--- a/{TEST_FILE}\n+++ b/{TEST_FILE}\n"
        "@@ -6,3 +6,5 @@ from adder import add\n class TestAdder(unittest.TestCase):\n"
        "     def test_zero(self):\n-        self.assertEqual(add(0, 0), 0)\n"
        "+        pass\n+    def test_add(self):\n+        pass\n"
    )


def printing(text: str) -> str:
    """The wrong patch, with a line that prints while the tests run."""
    return WRONG.replace("@@ -1,2 +1,2 @@", "@@ -1,2 +1,3 @@") + f"+print({text!r})\n"


def test_tests_that_write_much_or_no_text_fill_neither_memory_nor_disk(
    daemon: str, tmp_path: Path, graded: Grade
) -> None:
    """After the tests the harness asks for a diff of the tracked files."""
    much = f"yes | head -c 100000000 > adder.py; {COMMAND}"
    latin = f"{COMMAND}; printf 'caf\\351\\n' >> adder.py"
    dataset = write_dataset(
        tmp_path / "rows.jsonl", row(TASK, command=latin), row("demo__much-1", command=much)
    )
    rows = graded(dataset, {"latin": (TASK, GOLD), "much": ("demo__much-1", WRONG)})
    assert rows["latin"]["status"] == "resolved"
    log = Path(rows["much"]["log"]) / "run_instance.log"
    assert "bytes cut" in log.read_text()
    assert log.stat().st_size < 10_000_000


def test_no_patch_reaches_out_or_passes_by_cheating(
    daemon: str, tmp_path: Path, graded: Grade
) -> None:
    dataset = write_dataset(tmp_path / "rows.jsonl", row(TASK))
    link = new_file("linked", "/etc", mode="120000")
    rows = graded(
        dataset,
        {
            "absolute": (TASK, new_file(OUTSIDE, "x\n").replace("b//", "b/")),
            "upwards": (TASK, new_file("../../escaped", "x\n")),
            "through_link": (TASK, link + new_file("linked/escaped", "x\n")),
            "only_link": (TASK, GOLD + link),
            "tests_edited": (TASK, edited_tests()),
            "tests_edited_and_fixed": (TASK, GOLD + edited_tests()),
            "torn": (TASK, GOLD[: len(GOLD) // 2]),
            "carriage_returns": (TASK, GOLD.replace("\n", "\r\n")),
            "binary": (TASK, "\0\x01 not a patch"),
            "says_it_passed": (TASK, printing("test_add (x) ... ok\n>>>>> Applied Patch")),
        },
    )
    statuses = {name: each["status"] for name, each in rows.items()}
    assert statuses.pop("only_link") == "resolved"
    # The harness's last resort, patch(1), takes them off.
    assert statuses.pop("carriage_returns") == "resolved"
    assert statuses.pop("tests_edited_and_fixed") == "resolved"
    assert statuses.pop("tests_edited") == "unresolved"
    assert "resolved" not in statuses.values()
    assert rows["upwards"]["status"] == rows["through_link"]["status"] == "patch_failed"
    assert "../../escaped" in rows["upwards"]["reason"]
    assert not Path(OUTSIDE).exists()
