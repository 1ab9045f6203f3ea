"""A batch of four runs in a warehouse, and the masked tokens that an arm makes of it."""

import logging
from collections.abc import Sequence
from dataclasses import replace

import polars as pl
import pytest

from srft_assets.critic.verdict import STEP_VERDICTS
from srft_assets.home import Home
from srft_assets.integrity.finding import INTEGRITY
from srft_assets.outcomes.status import TEST_OUTCOMES
from srft_assets.tokens.token_labels import MASKED_TOKENS, MaskedRow
from srft_assets.tokens.tokenizer import ChatTokenizer
from srft_assets.trajectories.model import Trajectory, rows_of
from srft_assets.warehouse.partitions import ONLY, Stamp, Warehouse, data_version
from srft_assets.warehouse.recipe import Recipe
from srft_assets.warehouse.stage import IDLE, Made, Stage, Work, no_launch
from tests.tokens.conftest import run_of

STATUS = {"good": "resolved", "bad": "unresolved", "odd": "unknown", "infra": "infra_error"}
LABELS = ["good", "mistake", "recover"]


def put(home: Home, asset: str, frame: pl.DataFrame, partition: str = "b") -> None:
    stamp = Stamp(Recipe(), Recipe().fingerprint, data_version(frame), frame.height, "test", "")
    Warehouse(home.warehouse).write(asset, partition, frame, stamp)


def run(name: str, answers: Sequence[str]) -> Trajectory:
    chat = [{"role": "user", "content": "?"}]
    for answer in answers:
        chat += [{"role": "assistant", "content": answer}, {"role": "user", "content": "done"}]
    return replace(run_of(chat), trajectory_id=name, instance_id=f"task-{name}")


@pytest.fixture
def filled(home: Home, tmp_path_factory: pytest.TempPathFactory, chatml: ChatTokenizer) -> Home:
    """Four runs of three steps, one for each kind of outcome, and their verdicts."""
    runs = [run(name, ["look", "break", "mend"]) for name in STATUS]
    put(home, "trajectories", rows_of(runs, "b"))
    outcomes = [{"trajectory_id": name, "status": status} for name, status in STATUS.items()]
    put(home, "test_outcomes", pl.DataFrame(outcomes, schema=TEST_OUTCOMES))
    put(home, "integrity", INTEGRITY.to_frame())
    verdicts = [
        {"trajectory_id": name, "step_index": step, "label": label, "reason": "seen", "rule": ""}
        for name in STATUS
        for step, label in enumerate(LABELS)
    ]
    put(home, "step_verdicts/rules", pl.DataFrame(verdicts, schema=STEP_VERDICTS))
    # One folder for all tests, so that a process loads its tokenizer once.
    folder = tmp_path_factory.getbasetemp() / "chatml"
    if not folder.exists():
        chatml.hf.save_pretrained(folder)
    put(home, "base_models/tiny", pl.DataFrame({"path": [str(folder)]}), ONLY)
    return home


def make(stage: Stage, home: Home) -> Made:
    log = logging.getLogger("test")
    warehouse = Warehouse(home.warehouse)
    work = Work(home, warehouse, "b", Recipe(), "test", IDLE, no_launch, log)
    made = stage.make(work)
    assert made.frame.schema == MASKED_TOKENS
    return made


def trained(made: Made) -> dict[str, list[int]]:
    """Trained steps by run."""
    rows = [MaskedRow.from_row(row) for row in made.frame.iter_rows(named=True)]
    return {
        row.trajectory_id: [span.step_index for span in row.spans if span.trained] for row in rows
    }
