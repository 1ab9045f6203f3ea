"""What a user is told."""

import csv
import io
from pathlib import Path

import pytest
from rich.console import Console

from srft_assets.cli.doctor import FINDINGS
from srft_assets.cli.progress import Bars
from tests.cli.conftest import source
from tests.trajectories.ingest_support import run_of, write_lines

RULES = "step_verdicts/rules"


def lines(text: str) -> list[str]:
    """Without blank lines and padding."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def test_ingest_tells_files_refusals_runs_and_outcomes(srft, home, tmp_path):
    path = write_lines(tmp_path / "mine.jsonl", [run_of("a"), run_of("b")])
    path.write_text(path.read_text() + "[1, 2]\n")
    said = srft("ingest", str(path))
    assert said.code == 0
    told = lines(said.out)
    assert told[0].startswith("reading files: 1 of 1, in ")
    assert told[1] == "files: 1 of runs"
    assert "made trajectories: mine" in told
    assert "made test_outcomes: mine" in told
    assert told[-2].startswith("refused mine.jsonl, row 2: ")
    assert told[-1] == "batch mine: 2 runs, 4 steps; 2 unknown; 1 refused"


def test_ingest_tells_each_refusal_once_whenever_it_was_found(srft, home, tmp_path):
    folder = tmp_path / "runs"
    folder.mkdir()
    (folder / "torn.json").write_text('{"messages": [')
    bad = run_of("a") | {"messages": [{"role": "wizard", "content": "x"}]}
    write_lines(folder / "bad.jsonl", [bad] * 25)
    write_lines(folder / "good.jsonl", [run_of("b")])
    (folder / "notes.md").write_text("x")
    said = lines(srft("ingest", str(folder)).out)
    told = [line for line in said if "refused" in line]
    assert [line for line in told if "torn.json: truncated" in line] == told[1:2]
    assert "refused bad.jsonl, row 0: unknown role 'wizard'" in told[2]
    assert told[2].endswith("(25 of these; another: bad.jsonl, row 1)")
    assert len(told) == 1 + 1 + 1 + 1
    assert "not runs: .md file (1)" in said


def test_an_ingest_of_no_runs_fails_and_makes_no_batch(srft, home, tmp_path):
    folder = tmp_path / "runs"
    folder.mkdir()
    for name in ("a.md", "b.md", "c.log"):
        (folder / name).write_text("x")
    said = srft("ingest", str(folder))
    assert said.code == 1
    assert lines(said.out)[-2:] == [
        "not runs: .log file (1), .md file (2)",
        "no runs: no batch is made",
    ]
    assert not srft("sql", "select * from trajectories").out.count("runs")


def test_ingest_again_says_that_nothing_is_to_be_made(srft, filled):
    said = srft("ingest", str(source(filled, "one")))
    assert "Nothing to make: all 2 partitions are in sync." in said.out
    assert "batch one: 2 runs, 4 steps" in said.out


def test_plan_shows_what_is_missing_and_what_waits_for_it(srft, filled):
    path = write_lines(source(filled, "three"), [run_of("c")])
    assert srft("ingest", str(path)).code == 0
    told = [line.split() for line in lines(srft("plan", RULES).out)]
    assert told == [
        ["asset", "partitions", "state", "why"],
        [RULES, "three", "missing"],
        ["8", "of", "9", "partitions", "in", "sync,", "1", "missing."],
    ]


def test_plan_names_the_file_that_changed_and_what_waits(srft, filled):
    path = write_lines(source(filled, "one"), [run_of("c")])
    (filled.warehouse / "trajectories" / "one.parquet").rename(filled.root / "kept")
    srft("ingest", str(path), "--batch", "one")
    (filled.root / "kept").rename(filled.warehouse / "trajectories" / "one.parquet")
    told = srft("plan", RULES, "--batch", "one").out
    stale, *waiting = lines(told)[1:-1]
    assert stale.split()[:3] == ["trajectories", "one", "stale"]
    assert "file one.jsonl rows 0-0" in stale
    assert [line.split()[0] for line in waiting] == ["test_outcomes", RULES]
    assert all("for trajectories" in line or "for test_outcomes" in line for line in waiting)


def test_plan_all_shows_what_is_in_sync_too(ask):
    assert lines(ask("plan", RULES).out) == ["6 of 6 partitions in sync."]
    told = lines(ask("plan", RULES, "--all").out)
    assert [line.split()[:2] for line in told[1:-1]] == [
        ["trajectories", "one,"],
        ["test_outcomes", "one,"],
        [RULES, "one,"],
    ]


def test_apply_tells_what_it_made_and_then_that_nothing_is_left(srft, filled):
    (filled.warehouse / RULES / "two.parquet").unlink()
    said = srft("apply", RULES)
    assert lines(said.out)[-2:] == [f"made {RULES}: two", "1 partition made, 5 in sync."]
    assert lines(srft("apply", RULES).out) == ["Nothing to make: all 6 partitions are in sync."]


def test_apply_of_a_batch_leaves_the_others(srft, filled):
    for batch in ("one", "two"):
        (filled.warehouse / RULES / f"{batch}.parquet").unlink()
    assert f"made {RULES}: one\n" in srft("apply", RULES, "--batch", "one").out
    assert not (filled.warehouse / RULES / "two.parquet").exists()


def test_show_prints_every_step_with_its_label(ask):
    said = ask("show", "one-0")
    assert said.code == 0
    assert "one-0" in said.out
    assert "Fix one-0." in said.out
    assert "ls one-0" in said.out
    question = (
        "SELECT DISTINCT label FROM step_verdicts JOIN trajectories USING (trajectory_id) "
        "WHERE trajectories.instance_id = 'one-0'"
    )
    labels = ask("sql", question, "--format", "csv").out.split()[1:]
    assert labels
    assert all(label in said.out for label in labels)


@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_sql_prints_rows(ask, form):
    said = ask("sql", "SELECT batch, n_steps FROM trajectories ORDER BY ALL", "--format", form)
    assert said.code == 0
    assert said.out.count("two") == 2
    if form == "csv":
        rows = list(csv.DictReader(io.StringIO(said.out)))
        assert [row["n_steps"] for row in rows] == ["2"] * 4


def test_sql_draws_the_plan_of_an_explained_question(ask):
    drawn = ask("sql", "EXPLAIN SELECT batch FROM trajectories ORDER BY ALL").out.splitlines()
    assert any("Parquet" in line for line in drawn)
    assert drawn[0].startswith("╭") and drawn[-1].endswith("╯")


def test_sql_shows_what_was_refused(ask):
    said = ask("sql", "SELECT source, reason FROM quarantine", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(said.out)))
    assert [row["source"] for row in rows] == ["two.jsonl"]
    assert rows[0]["reason"]


def test_stats_shows_label_shares(ask):
    said = ask("stats")
    assert said.code == 0
    assert "rules" in said.out


def test_what_commands_make_is_of_this_account_alone(srft, filled):
    filled.catalogue.unlink()
    assert srft("backup").code == srft("sql", "SELECT 1").code == 0
    made = [filled.catalogue, *Path(f"{filled.database}-backups").iterdir()]
    assert len(made) == 2 and not any(path.stat().st_mode & 0o077 for path in made)


def test_doctor_says_what_is_here_and_what_to_install_for_the_rest(srft, home):
    said = srft("doctor")
    assert said.code == 0
    told = [line.strip() for line in said.out.splitlines() if line[:1].strip()]
    assert [line.split()[0] for line in told] == list(FINDINGS)
    assert all(line.split()[1] in ("yes", "no") for line in told)
    assert str(home.root) in said.out
    for line in told:
        if line.split()[1] == "no":
            assert len(line.split()) > 3, "what is missing comes with advice"


def test_home_can_be_named_in_the_call(srft, filled, tmp_path):
    said = srft("--home", str(tmp_path / "other"), "plan", RULES)
    assert "0 of 0 partitions in sync." in said.out


@pytest.mark.parametrize("width", [80, 120])
def test_a_note_has_room_beside_the_bar(width):
    console = Console(file=io.StringIO(), width=width, force_terminal=True)
    with Bars(console) as bars:
        bars.report("step_verdicts/default mini", 60, 60, "30 from the ledger")
    assert "30 from the ledger" in console.file.getvalue()
