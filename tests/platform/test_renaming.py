"""`srft rename batch`: another name, and nothing is stale, paid for again, or half done."""

import os
import shutil
import signal
import subprocess
import sys

import pytest

from srft_assets.cli.platform import refresh_catalogue
from srft_assets.critic.calls import Reply, write_calls
from srft_assets.critic.ledger import Ledger
from srft_assets.errors import SrftError, UsageError
from srft_assets.home import Home
from srft_assets.platform.overview import overview
from srft_assets.platform.planning import look
from srft_assets.platform.removal import rename_batch
from srft_assets.platform.stages import load_stages
from srft_assets.trajectories.batches import batch_names, read_manifest, write_batch
from srft_assets.trajectories.ingest import ingest
from srft_assets.warehouse.making import History, make_partition, work_alone
from srft_assets.warehouse.partitions import Warehouse
from tests.trajectories.ingest_support import run_of, write_lines

STAGES = load_stages()
OF_BATCH = (
    *("trajectories", "test_outcomes", "integrity", "step_verdicts/rules"),
    "masked_tokens/srft",
)
KEY = "a" * 64


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Two batches, judged and masked, one paid answer, and an asset made from both batches."""
    home = Home(tmp_path_factory.mktemp("made") / "home")
    for name in ("one", "two"):
        source = write_lines(home.root / "runs" / f"{name}.jsonl", [run_of(name)])
        ingest(home, [source], batch=name)
    make(home, "base_models/tiny")
    for batch in ("one", "two"):
        for asset in OF_BATCH:
            make(home, asset, batch)
    make(home, "gold_labels")
    make(home, "critic_scores/rules")
    with Ledger(home) as ledger:
        ledger.keep(Reply(KEY, "good", None, "stop", "m", critic="mine", batch="one"))
    write_calls(home, "mine", "one")
    History(home, "step_verdicts/rules", "verdict_versions", "one").keep()
    refresh_catalogue(home)
    return home


@pytest.fixture
def home(made: Home, home: Home) -> Home:
    shutil.copytree(made.root, home.root)
    refresh_catalogue(home)
    return home


def make(home: Home, asset: str, batch: str = "all") -> None:
    make_partition(STAGES[asset], work_alone(STAGES[asset], home, batch))


def states(home: Home) -> dict[str, set[str]]:
    items = look(STAGES, home).items
    made = {asset.partition("/")[0] for asset in (*OF_BATCH, "critic_scores")}
    wanted = {*OF_BATCH, "critic_scores/rules"}
    return {
        asset: {str(item.state) for item in found}
        for asset, found in items.items()
        if asset in wanted and asset.partition("/")[0] in made
    }


def files(home: Home, name: str) -> set[str]:
    found = home.warehouse.glob(f"[!_]*/**/{name}*")
    return {str(path.relative_to(home.warehouse)) for path in found if name in path.stem}


def test_all_that_was_made_bears_the_new_name_and_nothing_is_stale(home: Home) -> None:
    before = states(home)
    old = files(home, "one")
    assert all(found == {"in sync"} for found in before.values())
    rename_batch(home, "one", "first")
    assert batch_names(home) == ["first", "two"]
    assert read_manifest(home, "first").family == "first"
    assert states(home) == before
    assert files(home, "one") == set()
    assert files(home, "first") == {name.replace("one", "first") for name in old}
    warehouse = Warehouse(home.warehouse)
    stamp = warehouse.stamp("critic_scores/rules")
    assert stamp and "step_verdicts/rules/first" in stamp.recipe.inputs
    recipe = work_alone(STAGES["step_verdicts/rules"], home, "first").recipe
    assert History(home, "step_verdicts/rules", "verdict_versions", "first").holds(recipe)


def test_answers_stay_paid_and_are_of_the_new_name(home: Home) -> None:
    rename_batch(home, "one", "first")
    with Ledger(home) as ledger:
        kept = [(reply.key, reply.batch, sound) for reply, sound in ledger.everything()]
    assert kept == [(KEY, "first", True)]
    overview_of = overview(home, STAGES)
    assert set(overview_of.batches["batch"]) == {"first", "two"}
    calls = Warehouse(home.warehouse).read("critic_calls/mine", "first")
    assert calls["key"].to_list() == [KEY]


KILLED = """
import os, signal, sys
from pathlib import Path
from srft_assets.home import Home
from srft_assets.platform.removal import rename_batch
from srft_assets.trajectories import renaming
left = int(sys.argv[2])
def kill(*_):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
for name in ("_rename_file", "_rename_rows"):
    def before(*args, real=getattr(renaming, name)):
        kill()
        return real(*args)
    setattr(renaming, name, before)
real_unlink = Path.unlink
def unlink(self, **kwargs):
    kill()
    real_unlink(self, **kwargs)
Path.unlink = unlink
rename_batch(Home(Path(sys.argv[1])), "one", "first")
"""


@pytest.mark.parametrize("step", [0, 3, 8, 15, 21])
def test_a_kill_leaves_the_old_name_or_the_new_one(home: Home, step: int) -> None:
    before = states(home)
    old = files(home, "one")
    words = [sys.executable, "-c", KILLED, str(home.root), str(step)]
    done = subprocess.run(words, env={**os.environ, "SRFT_HOME": str(home.root)})
    assert done.returncode == -signal.SIGKILL
    assert batch_names(home) in (["first", "two"], ["one", "two"])
    name = batch_names(home)[0] if "first" in batch_names(home) else "one"
    assert states(home) == before
    assert files(home, name) == {one.replace("one", name) for one in old}
    assert files(home, "one" if name == "first" else "first") == set()
    with Ledger(home) as ledger:
        assert [reply.batch for reply, _ in ledger.everything()] == [name]


def test_a_damaged_partition_is_told_before_anything_is_renamed(home: Home) -> None:
    path = home.warehouse / "test_outcomes" / "one.parquet"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(SrftError, match=r"one.parquet is damaged: .*--repair"):
        rename_batch(home, "one", "first")
    assert "one" in batch_names(home)


@pytest.mark.parametrize(("old", "new"), [("none", "x"), ("one", "two"), ("one", "../x")])
def test_a_name_that_is_wrong_changes_nothing(home: Home, old: str, new: str) -> None:
    with pytest.raises(UsageError):
        rename_batch(home, old, new)
    assert batch_names(home) == ["one", "two"]


def test_what_would_come_back_or_was_played_here_keeps_its_name(home: Home) -> None:
    entry = write_lines(home.inbox / "three.jsonl", [run_of("three")])
    ingest(home, [entry], batch="three")
    with pytest.raises(SrftError, match="the inbox makes batch three again"):
        rename_batch(home, "three", "third")
    write_batch(home, "played", "toy", {})
    with pytest.raises(SrftError, match="played here"):
        rename_batch(home, "played", "game")
    assert batch_names(home) == ["one", "played", "three", "two"]
