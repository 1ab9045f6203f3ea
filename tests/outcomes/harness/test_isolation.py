"""What the code under test can reach from inside the harness's container."""

from pathlib import Path
from typing import Any

import pytest

from srft_assets.outcomes.grader_choice import Grading
from srft_assets.outcomes.harness.main import limits_of
from tests.outcomes.harness.conftest import Grade
from tests.outcomes.harness.project import COMMAND, GOLD, row, write_dataset

TASK = "demo__adder-1"
LOOK = f"cat /proc/net/dev /proc/self/status; {COMMAND}"
SYS_ADMIN = 1 << 21
"""Bit of capabilities(7)."""


def inside(tmp_path: Path, graded: Grade, **settings: Any) -> tuple[str, int]:
    """The network devices' table and the effective capabilities that the tests run with."""
    dataset = write_dataset(tmp_path / "rows.jsonl", row(TASK, command=LOOK))
    graded_row = graded(dataset, {"gold": (TASK, GOLD)}, **settings)["gold"]
    assert graded_row["status"] == "resolved", graded_row["reason"]
    seen = (Path(graded_row["log"]) / "test_output.txt").read_text()
    (effective,) = [line.split()[1] for line in seen.splitlines() if line.startswith("CapEff:")]
    return seen, int(effective, 16)


def test_no_network_and_no_sys_admin(daemon: str, tmp_path: Path, graded: Grade) -> None:
    seen, capabilities = inside(tmp_path, graded)
    assert "lo:" in seen and "eth0:" not in seen
    assert not capabilities & SYS_ADMIN


def test_a_setting_allows_either(daemon: str, tmp_path: Path, graded: Grade) -> None:
    seen, capabilities = inside(tmp_path, graded, network=True, sys_admin=True)
    assert "eth0:" in seen
    assert capabilities & SYS_ADMIN


@pytest.mark.parametrize("network", [False, True])
def test_memory_and_processes_are_bounded(network: bool) -> None:
    limits = limits_of(Grading(network=network, memory_gb=2))
    assert limits["mem_limit"] == limits["memswap_limit"] == 2 * 1024**3
    assert 0 < limits["pids_limit"] <= 4096
    assert "no-new-privileges" in limits["security_opt"]
