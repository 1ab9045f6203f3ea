"""What was paid for once is never paid for again, and what came out the same stops the wave."""

import signal
import sys
from pathlib import Path

import polars as pl

from srft_assets.warehouse.partitions import ONLY
from srft_assets.warehouse.plan import Costs
from tests.critic.server import Server
from tests.specs.checkout import Checkout
from tests.specs.project import Project, out_of_sync

LAST = "Read the edits."
DIES = """
import os, signal
from srft_assets.cli import main
from srft_assets.warehouse.partitions import Warehouse

write = Warehouse.write

def dying(self, asset, *given):
    if asset == "step_verdicts/default":
        os.kill(os.getpid(), signal.SIGKILL)
    return write(self, asset, *given)

Warehouse.write = dying
main()
"""
"""`srft` that dies when verdicts are made and not yet written."""


def reword(project: Project, old: str, new: str) -> None:
    project.critic("default", old, new, "prompt.md")


def to_pay(project: Project) -> int:
    costs = [item.cost for item in project.plan(Costs.EXACT) if item.cost is not None]
    return sum(cost.calls - cost.answered for cost in costs)


def test_back_to_the_first_prompt(project: Project, server: Server):
    first = project.verdicts("default")
    reword(project, LAST, "Read the changes.")
    project.apply()
    paid = server.answered.total()
    second = project.verdicts("default")
    assert not second.equals(first)

    reword(project, "Read the changes.", LAST)
    assert to_pay(project) == 0
    back = project.apply()
    assert {"step_verdicts/default/a", "masked_tokens/srft/b"} <= back.made
    assert server.answered.total() == paid
    assert project.verdicts("default").equals(first)
    assert out_of_sync(project.plan()) == set(), "what was trained on the first is in sync again"


def test_both_versions_stay(project: Project):
    version = project.warehouse.read("critic_prompt/default", ONLY)["version"].item()
    reword(project, LAST, "Read the changes.")
    project.apply()
    kept = project.home.warehouse / "verdict_versions" / "default" / "a"
    found = [pl.read_parquet(path)["version"].unique().item() for path in kept.glob("*.parquet")]
    assert len(found) == len(set(found)) == 2
    assert version in found


def test_identical_verdicts_stop_the_wave(project: Project, server: Server):
    server.by = "step"
    reword(project, LAST, "Read the changes.")
    project.apply()
    project.train()
    before = server.answered.total()

    reword(project, "Read the changes.", "Read every change.")
    again = project.apply()
    assert server.answered.total() - before == 3
    assert again.made == {
        "critic_prompt/default/all",
        "step_verdicts/default/a",
        "step_verdicts/default/b",
    }
    assert again.changed == {"critic_prompt/default/all"}
    assert out_of_sync(project.plan()) == set()


def test_a_comment_in_the_prompt_asks_nobody(project: Project, server: Server):
    before = server.answered.total()
    reword(project, LAST, LAST + "\n{# Is this enough? #}")
    assert to_pay(project) == 0
    assert "masked_tokens/srft/a" not in project.apply().made
    assert server.answered.total() == before


def test_a_crash_between_ledger_and_parquet(project: Project, server: Server, tmp_path: Path):
    checkout = Checkout.copy(tmp_path / "checkout")
    checkout.edit("srft_assets/defs/critics/default/prompt.md", LAST, "Read the changes.")
    before = server.answered.total()
    died = checkout.start(
        project.home, "apply", "step_verdicts/default", program=[sys.executable, "-c", DIES]
    )
    printed, _ = died.communicate(timeout=100)
    assert died.returncode == -signal.SIGKILL, printed
    assert server.answered.total() - before == 2, "the runs of batch a"

    reword(project, LAST, "Read the changes.")
    assert to_pay(project) == 1
    again = project.apply()
    assert {"step_verdicts/default/a", "step_verdicts/default/b"} <= again.made
    assert server.answered.total() - before == 3


def test_work_ratio(project: Project):
    """Steps labelled again, of those whose verdicts depend on the prompt: all, and none twice."""
    depend = project.verdicts("default").height
    reword(project, LAST, "Read all edits.")
    again = project.apply()
    assert again.rows("step_verdicts") / depend == 1.00
    assert again.rows("trajectories") == again.rows("test_outcomes") == 0
    assert again.rows("step_verdicts/rules") == again.rows("step_verdicts/strict") == 0
