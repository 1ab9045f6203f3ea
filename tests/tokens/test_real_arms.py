"""`srft apply masked_tokens/<arm>` on all graded real runs, with the tokenizers of real models."""

import json
from collections import Counter
from pathlib import Path

import pytest

from srft_assets.home import Home
from srft_assets.outcomes.status import Status
from srft_assets.tokens.render import render
from srft_assets.tokens.token_labels import MaskedRow
from srft_assets.trajectories.model import from_row
from srft_assets.warehouse.partitions import Warehouse
from srft_assets.warehouse.query import run_query
from tests.specs.checkout import Checkout
from tests.tokens.real import assert_exact, folder_of, tokenizer_of

pytestmark = pytest.mark.timeout(900)

BATCHES = {"mini": "mini-swe-agent-v1", "openhands": "openhands-v0.15"}
MODELS = ("qwen3", "smollm2", "deepseek_v3")
ARM = """type: srft_assets.components.arm.Arm

attributes:
  model: {}
  critic: rules
"""
REFUSED = {
    "deepseek_v3": {
        "which does not end a turn of this model": 21,
        "the chat template leaves out a tool call": 4,
    }
}
"""All 25 runs of OpenHands; see `test_real_tokenizers`."""


@pytest.fixture(scope="module")
def home(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """One arm a model, masked with the rules critic's labels over both batches."""
    root = tmp_path_factory.mktemp("arms")
    checkout, home = Checkout.copy(root / "checkout"), Home(root / "home")
    for name in MODELS:
        path = checkout.root / "srft_assets" / "defs" / "arms" / name / "defs.yaml"
        path.parent.mkdir()
        path.write_text(ARM.format(json.dumps(str(folder_of(name)))))
    for batch, folder in BATCHES.items():
        checkout.srft(home, "ingest", str(shared / "trajectories" / folder), "--batch", batch)
    checkout.srft(home, "apply", *(f"masked_tokens/{name}" for name in MODELS))
    return home


@pytest.mark.parametrize("name", MODELS)
def test_every_row_is_what_the_tokenizer_alone_makes_of_the_run(name: str, home: Home) -> None:
    warehouse, tokenizer = Warehouse(home.warehouse), tokenizer_of(name)
    for batch in BATCHES:
        runs = {
            row["trajectory_id"]: from_row(row)
            for row in warehouse.read("trajectories", batch).iter_rows(named=True)
        }
        rows = warehouse.read(f"masked_tokens/{name}", batch)
        for cells in rows.gather_every(10 if name == "deepseek_v3" else 1).iter_rows(named=True):
            row = MaskedRow.from_row(cells)
            assert_exact(row, render(runs[row.trajectory_id], tokenizer), tokenizer)


@pytest.mark.parametrize("name", MODELS)
def test_trained_are_resolved_runs_whole_and_of_others_all_but_the_mistakes(
    name: str, home: Home
) -> None:
    wrong = run_query(
        home,
        "SELECT count(*) FROM step_tokens JOIN masked_tokens USING (arm, batch, trajectory_id)"
        " WHERE arm = $arm AND trained <>"
        " (masked_tokens.status = $resolved OR label NOT IN ('mistake', 'unlabeled'))",
        {"arm": name, "resolved": Status.RESOLVED},
    )
    assert wrong.item() == 0


@pytest.mark.parametrize("name", MODELS)
def test_a_run_is_masked_or_refused_with_a_reason(name: str, home: Home) -> None:
    sql = "SELECT subject, reason FROM quarantine WHERE asset = $asset"
    refused = run_query(home, sql, {"asset": f"masked_tokens/{name}"})
    reasons: Counter[str] = Counter()
    for reason in refused["reason"]:
        known = [one for one in REFUSED.get(name, {}) if one in reason]
        reasons[known[0] if known else reason] += 1
    assert reasons == REFUSED.get(name, {})
    sql = "SELECT trajectory_id FROM masked_tokens WHERE arm = $arm"
    masked = run_query(home, sql, {"arm": name})
    runs = run_query(home, "SELECT trajectory_id FROM trajectories")
    ids = [*masked["trajectory_id"], *refused["subject"]]
    assert sorted(ids) == sorted(runs["trajectory_id"])


def test_the_report_counts_every_token_once(home: Home) -> None:
    report = run_query(home, "FROM tokens_kept_by_batch")
    print(report)
    assert report["batch"].to_list() == list(BATCHES) * len(MODELS)
    for row in report.iter_rows(named=True):
        assert row["runs"] + row["refused"] == {"mini": 60, "openhands": 25}[row["batch"]]
        assert row["trained"] + row["masked"] + row["context"] == row["tokens"]
        assert row["runs"] == 0 or 0 < row["masked"] < row["trained"] < row["context"]
