"""`srft delete`: says first what goes; what was paid for, and the sources, stay."""

import sqlite3
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from srft_assets.components.launch import open_instance
from srft_assets.critic.calls import Reply
from srft_assets.critic.ledger import Ledger
from srft_assets.home import Home
from srft_assets.trajectories.batches import batch_names
from srft_assets.warehouse.partitions import Warehouse
from tests.cli.conftest import Srft, source
from tests.warehouse.filled import fill


@pytest.fixture
def filled(filled: Home) -> Home:
    """The platform whose sources were moved out of the inbox."""
    filled.inbox.rename(outside(filled))
    return filled


def outside(home: Home) -> Path:
    return home.root.parent / "sources"


def files(home: Home) -> set[str]:
    return {str(path.relative_to(home.warehouse)) for path in home.warehouse.rglob("*.parquet")}


def test_without_a_yes_it_says_what_would_go_and_nothing_does(srft: Srft, filled: Home) -> None:
    before = files(filled)
    with Ledger(filled) as ledger:
        ledger.keep(Reply("a" * 64, "good", None, "stop", "m", critic="mine", batch="one"))
    version = filled.warehouse / "verdict_versions" / "mine" / "one" / "0123.parquet"
    version.parent.mkdir(parents=True)
    version.touch()
    before.add("verdict_versions/mine/one/0123.parquet")
    said = srft("delete", "batch", "one")
    assert said.code == 2
    assert "stays  verdicts of mine, in verdict_versions: 1 of its versions" in said.out
    assert "stays  paid answers of mine, in the ledger: 1" in said.out
    assert "goes   step_verdicts/rules one" in said.out
    assert "stays  its sources" in said.out
    assert "nothing was deleted; --yes deletes batch one" in said.err
    assert files(filled) == before
    assert batch_names(filled) == ["one", "two"]


def test_a_batch_goes_with_all_that_was_made_of_it_and_no_other(srft: Srft, filled: Home) -> None:
    before = files(filled)
    with Ledger(filled) as ledger:
        ledger.keep(Reply("a" * 64, "good", None, "stop", "m", critic="mine", batch="one"))
    assert srft("delete", "batch", "one", "--yes").code == 0
    assert batch_names(filled) == ["two"]
    with Ledger(filled) as ledger:
        assert [reply.key for reply, _ in ledger.everything()] == ["a" * 64]
    gone = before - files(filled)
    assert gone == {
        "trajectories/one.parquet",
        "test_outcomes/one.parquet",
        "step_verdicts/rules/one.parquet",
    }
    assert (outside(filled) / "one.jsonl").exists()
    assert "one" not in srft("plan", "--all").out.split()
    assert srft("delete", "batch", "one", "--yes").code == 2, "there is none any more"
    assert srft("ingest", str(outside(filled) / "one.jsonl")).code == 0
    assert batch_names(filled) == ["one", "two"]


def test_a_batch_that_lies_in_the_inbox_is_refused_as_it_would_come_back(
    srft: Srft, filled: Home
) -> None:
    outside(filled).rename(filled.inbox)
    before = files(filled)
    said = srft("delete", "batch", "one", "--yes")
    assert said.code == 1
    told = f"error: move {source(filled, 'one')} away first, else the inbox makes batch one again"
    assert said.err.splitlines() == [told]
    assert files(filled) == before
    assert batch_names(filled) == ["one", "two"]
    source(filled, "one").rename(filled.root.parent / "one.jsonl")
    assert srft("delete", "batch", "one", "--yes").code == 0


def test_a_damaged_batch_that_lies_in_the_inbox_is_refused_too(srft: Srft, filled: Home) -> None:
    outside(filled).rename(filled.inbox)
    with sqlite3.connect(filled.database) as database:
        database.execute("UPDATE batches SET manifest = '{' WHERE name = 'one'")
    said = srft("delete", "batch", "one", "--yes")
    told = f"error: move {source(filled, 'one')} away first, else the inbox makes batch one again"
    assert (said.code, said.err.splitlines()[-1]) == (1, told)
    assert batch_names(filled) == ["one", "two"]
    source(filled, "one").rename(filled.root.parent / "one.jsonl")
    assert srft("delete", "batch", "one", "--yes").code == 0


def test_a_new_name_that_changes_what_settings_choose_wants_a_yes(
    srft: Srft, filled: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SRFT_RELABEL_BATCHES", "o*,!other")
    job = filled.artifacts / "checkpoints" / "sft" / "0" / "abc.job.json"
    (job.parent / "abc.partial").mkdir(parents=True)
    job.write_text('{"parts": [{"batch": "one"}, {"batch": "two"}]}')
    said = srft("rename", "batch", "one", "other")
    assert said.code == 2
    assert said.out.splitlines() == [
        "changes  patterns of batches (o*, !other) take one no more: relabel.batches",
        "changes  the unfinished training checkpoints/sft 0 begins anew",
    ]
    assert "nothing was renamed; --yes renames one" in said.err
    assert batch_names(filled) == ["one", "two"]
    assert srft("rename", "batch", "one", "other", "--yes").code == 0
    said = srft("rename", "batch", "other", "eval-other")
    assert "(*, !eval-*) take other no more: checkpoints/inverted_mask, " in said.out
    assert "and 7 more" in said.out
    job.unlink()
    monkeypatch.delenv("SRFT_RELABEL_BATCHES")
    assert srft("rename", "batch", "other", "onwards").code == 0, "nothing changes"
    assert batch_names(filled) == ["onwards", "two"]


def test_a_batch_whose_deletion_was_killed_goes_whole(srft: Srft, filled: Home) -> None:
    path = Warehouse(filled.warehouse).path("trajectories", "one")
    held = path.read_bytes()
    assert srft("delete", "batch", "one", "--yes").code == 0
    path.write_bytes(held)
    assert srft("delete", "batch", "one", "--yes").code == 0
    assert not path.exists()


def test_a_checkpoint_goes_with_weights_scores_and_runs_and_the_others_stay(
    srft: Srft, home: Home
) -> None:
    fill(home)
    weights = home.artifacts / "checkpoints"
    for arm in ("srft", "sft"):
        (weights / arm / "0").mkdir(parents=True)
    before = files(home)
    assert srft("delete", "checkpoint", "srft/0", "--yes").code == 0
    assert before - files(home) == {
        "checkpoints/srft/0.parquet",
        "eval_scores/srft/0.parquet",
        "eval_trajectories/srft/0.parquet",
    }
    assert not (weights / "srft" / "0").exists()
    assert (weights / "sft" / "0").exists()


def test_only_weights_of_the_best_seeds_are_kept_and_every_score(srft: Srft, home: Home) -> None:
    fill(home)
    warehouse, weights = Warehouse(home.warehouse), home.artifacts / "checkpoints" / "srft"
    scores = warehouse.read("eval_scores/srft", "0")
    row, stamp = (get("checkpoints/srft", "0") for get in (warehouse.read, warehouse.stamp))
    own = weights / "0" / "now"
    for seed, resolved in (("0", True), ("1", False), ("2", None)):
        path = pl.lit(f"artifacts/checkpoints/srft/{seed}/now")
        warehouse.write("checkpoints/srft", seed, row.with_columns(path=path), stamp)
        rated = scores.with_columns(resolved=pl.lit(resolved, pl.Boolean))
        warehouse.write("eval_scores/srft", seed, rated, warehouse.stamp("eval_scores/srft", "0"))
        (weights / seed / "earlier").mkdir(parents=True)
        (weights / seed / "earlier.job.json").touch()
    own.mkdir(parents=True)
    before = files(home)
    said = srft("delete", "checkpoint", "srft", "--keep-best", "1", "--yes")
    assert said.code == 0, said.err
    assert "stays  weights of 0, 2" in said.out.splitlines()
    assert before <= files(home)
    assert own.is_dir() and not (weights / "1").exists()
    assert [*(weights / "0").iterdir()] == [own]
    again = srft("delete", "checkpoint", "srft", "--keep-best", "1", "--yes")
    assert again.code == 0 and "goes" not in again.out
    assert srft("delete", "checkpoint", "nobody", "--keep-best", "1", "--yes").code == 2


def test_nothing_goes_while_a_run_is_under_way(srft: Srft, home: Home) -> None:
    @dg.job
    def busy() -> None:
        pass

    fill(home)
    before = files(home)
    with open_instance(home) as instance:
        instance.create_run_for_job(busy, status=dg.DagsterRunStatus.STARTED)
        said = srft("delete", "checkpoint", "srft/0", "--yes")
    assert said.code == 1
    assert said.err == "error: runs are under way (1): wait for them, srft status\n"
    assert files(home) == before


def test_a_checkpoint_without_a_seed_is_told_which_there_are(srft: Srft, filled: Home) -> None:
    said = srft("delete", "checkpoint", "rft", "--yes")
    told = "error: checkpoint 'rft' names no seed, as rft/0 does; the arm rft has none\n"
    assert (said.code, said.err) == (2, told)
    made = Warehouse(filled.warehouse).path("checkpoints/srft", "7")
    made.parent.mkdir(parents=True)
    made.touch()
    assert "; there are: 7\n" in srft("delete", "checkpoint", "srft", "--yes").err


@pytest.mark.parametrize("name", ["srft", "srft/7", "../up/0", "*/0"])
def test_a_checkpoint_that_is_not_there_is_named(srft: Srft, filled: Home, name: str) -> None:
    before = files(filled)
    said = srft("delete", "checkpoint", name, "--yes")
    assert said.code == 2
    assert files(filled) == before
