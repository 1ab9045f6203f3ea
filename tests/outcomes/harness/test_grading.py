"""Patches graded by the real harness in a real container."""

from pathlib import Path

from tests.outcomes.harness.conftest import Grade
from tests.outcomes.harness.project import (
    GOLD,
    HANGING,
    NOT_APPLYING,
    WRONG,
    row,
    write_dataset,
)

TASK = "demo__adder-1"


def test_patches_of_every_kind(daemon: str, tmp_path: Path, graded: Grade) -> None:
    dataset = write_dataset(tmp_path / "rows.jsonl", row(TASK))
    rows = graded(
        dataset,
        {
            "gold": (TASK, GOLD),
            "again": (TASK, GOLD),
            "wrong": (TASK, WRONG),
            "empty": (TASK, ""),
            "hanging": (TASK, HANGING),
            "unfit": (TASK, NOT_APPLYING),
            "stranger": ("demo__adder-99", GOLD),
        },
        timeout=10,
    )
    assert {name: each["status"] for name, each in rows.items()} == {
        "gold": "resolved",
        "again": "resolved",
        "wrong": "unresolved",
        "empty": "empty_patch",
        "hanging": "timeout",
        "unfit": "patch_failed",
        "stranger": "unknown",
    }
