"""`srft status` and `srft ls`: what there is, what is stale and why, what goes on."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys

import polars as pl
import pytest

from srft_assets.components.launch import open_instance
from srft_assets.components.run_repair import locked_run
from srft_assets.definitions import defs
from srft_assets.home import Home
from srft_assets.instance import open_runs
from srft_assets.trajectories.batches import write_batch
from tests.cli.conftest import Srft, environment
from tests.warehouse.filled import fill, put
from tests.warehouse.filled_figures import BATCHES, STRICT
from tests.warehouse.filled_frames import PROMPT, verdicts


def seen(srft: Srft, *words: str, code: int = 0) -> dict:
    said = srft(*words, "--json")
    assert said.code == code, said.err
    return json.loads(said.out)


def test_it_says_what_there_is_and_what_to_do(ask: Srft) -> None:
    told = seen(ask, "status")
    assert [one["batch"] for one in told["batches"]] == ["one", "two"]
    for one in told["batches"]:
        assert one["runs"] == one["resolved"] + one["failed"] + one["unknown"] > 0
    assert {one["critic"] for one in told["critics"]} == {
        "default",
        "rules",
        "strict",
        "with_patch",
    }
    assert "srft" in {one["arm"] for one in told["arms"]}
    assert told["running"] == []
    assert told["next"] == "srft plan says what it takes; srft apply makes it"
    stale = {one["asset"]: one for one in told["stale"]}
    assert stale["base_models/tiny"]["states"] == {"missing": 1}


def test_it_says_what_is_left_of_budgets(ask: Srft, monkeypatch: pytest.MonkeyPatch) -> None:
    assert seen(ask, "status")["left"] == {}
    monkeypatch.setenv("SRFT_CRITIC_MAX_CALLS", "1000")
    monkeypatch.setenv("SRFT_RELABEL_MAX_TOKENS", "50000")
    calls = {"calls": 1000}
    critics = {"default": calls, "strict": calls, "with_patch": calls}
    assert seen(ask, "status")["left"] == {**critics, "today": {"tokens": 50_000}}
    told = ask("status").out
    assert "left to pay for default: 1,000 calls; " in told and "today: 50,000 tokens" in told


@pytest.mark.parametrize("columns", [80, 120])
def test_it_fits_one_screen(once_filled: Home, columns: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from srft_assets.cli import main; main()", "status"],
        env={**environment(once_filled), "COLUMNS": str(columns)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) <= 45
    assert max(map(len, lines[1:])) <= columns, "the first line is the folder"


def test_an_empty_home_says_how_to_begin(srft: Srft) -> None:
    assert "next srft ingest PATH reads recorded runs; srft demo makes some" in srft("status").out
    assert "arm" not in srft("status").out.split()


def test_a_batch_without_runs_of_its_own_is_listed(srft: Srft, home: Home) -> None:
    write_batch(home, "again", "toy", {})
    told = seen(srft, "status")
    assert [(one["batch"], one["runs"]) for one in told["batches"]] == [("again", None)]
    assert "srft ingest" not in told["next"]
    assert "again" in srft("status").out.split()
    assert [one["batch"] for one in seen(srft, "ls", "batches")["rows"]] == ["again"]


def test_an_arm_without_masks_is_shown_with_its_scores(srft: Srft, home: Home) -> None:
    fill(home)
    shutil.rmtree(home.warehouse / "masked_tokens")
    words = srft("status").out.split()
    assert {"sft", "srft"} <= set(words)


def test_the_version_of_a_critic_is_that_of_its_verdicts(srft: Srft, home: Home) -> None:
    """A prompt that was changed and changed back leaves the version in between behind."""
    warehouse = fill(home)
    for batch in BATCHES:
        now = verdicts(STRICT, batch).with_columns(version=pl.lit("first"))
        put(warehouse, "step_verdicts/strict", batch, now)
    for version in ("first", "second"):
        of = PROMPT.with_columns(version=pl.lit(version))
        put(warehouse, "critic_versions/strict/all", version, of)
    told = {one["critic"]: one["version"] for one in seen(srft, "status")["critics"]}
    assert told["strict"] == "first"


def test_a_listing_takes_a_condition_and_exits_3_where_nothing_matches(ask: Srft) -> None:
    rows = seen(ask, "ls", "runs", "--where", "batch = 'one'")["rows"]
    assert rows and {row["batch"] for row in rows} == {"one"}
    assert seen(ask, "ls", "arms", "--where", "arm = 'srft'")["rows"][0]["arm"] == "srft"
    none = ask("ls", "runs", "--where", "n_steps > 100000")
    assert (none.code, none.out, none.err) == (3, "", "no runs match\n")
    assert seen(ask, "ls", "checkpoints", code=3) == {"rows": []}


def test_runs_are_rows_on_a_terminal_and_all_of_them_in_json(ask: Srft) -> None:
    head, *lines = ask("ls", "runs").out.splitlines()
    assert head.split() == ["trajectory_id", "batch", "n_steps", "status", "model"]
    rows = seen(ask, "ls", "runs")["rows"]
    assert [line.split()[0] for line in lines[:-1]] == [row["trajectory_id"] for row in rows]
    assert lines[-1].startswith("more columns, for --where and --json: instance_id, repo")


@pytest.mark.parametrize(
    "condition",
    ["nope", "runs >", "1) ; DROP VIEW runs; --", "(SELECT count(*) FROM '/etc/passwd') > 0"],
)
def test_a_condition_can_do_nothing_but_read(ask: Srft, condition: str) -> None:
    said = ask("ls", "batches", "--where", condition)
    assert said.code == 2
    assert said.err.startswith("error: ")


def test_it_loads_no_dagster(once_filled: Home) -> None:
    code = (
        "import sys; from srft_assets.cli.app import app\n"
        "try: app(['status'])\nexcept SystemExit: pass\n"
        "print(sorted({'dagster', 'torch', 'transformers'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(once_filled),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_runs_of_the_ui_and_of_commands_are_under_way_until_they_end_or_die(home: Home) -> None:
    job = defs().resolve_implicit_global_asset_job_def()
    with open_instance(home) as instance:
        of_ui = instance.create_run_for_job(job, tags={"dagster/partition": "mini"})
        with locked_run(home) as tags:
            of_command = instance.create_run_for_job(job, tags=tags)
            with sqlite3.connect(home.dagster / "history" / "runs.db") as database:
                database.execute("UPDATE runs SET status = 'STARTED'")
            found = {run.run_id: run for run in open_runs(home)}
            assert found.keys() == {of_ui.run_id, of_command.run_id}
            assert found[of_ui.run_id].by == "UI"
            assert found[of_ui.run_id].partition == "mini"
            assert found[of_command.run_id].by == "command"
            assert os.getpid() == int(tags["srft/lock"].partition("-")[0])
        assert [run.run_id for run in open_runs(home)] == [of_ui.run_id]
