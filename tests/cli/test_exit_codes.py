"""0: done. 1: it failed, in one line. 2: the call was wrong, with a hint."""

import os
import signal
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import pytest

from srft_assets.home import Home
from tests.cli.conftest import Srft, environment, source

PROGRAM = [sys.executable, "-c", "from srft_assets.cli import main; main()"]
RULES = "step_verdicts/rules"


def words_of(value: object) -> str:
    return " ".join(value) if isinstance(value, list) else ""


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["nope"], "No such command 'nope'"),
        (["--home", __file__, "stats"], "test_exit_codes.py is a file: SRFT_HOME, or --home, is"),
        (["ingest"], "Missing argument"),
        (["ingest", "/nowhere"], "no such file or folder: /nowhere"),
        (["ingest", ".", "--format", "yaml"], "there are: auto, "),
        (["ingest", ".", "--batch", "../up"], "use letters, digits"),
        (["ingest", ".", "--batch-size", "0"], "greater than or equal to 1"),
        (["plan", "verdicts"], "there are: base_models/tiny, "),
        (["apply", "verdicts"], "there are: base_models/tiny, "),
        (["apply", RULES, "--batch", "three"], "no batch 'three'; there are: one, two"),
        (["apply", RULES, "--seed", "-1"], "a seed is a number"),
        (["apply", RULES, "--faster"], "No such option"),
        (["sql", "trajectories", "--format", "xml"], "'table', 'csv', 'json'"),
        (["sql", "trajectoris"], "did you mean trajectories"),
        (["critic", "history", "nobody"], "no critic 'nobody'; there are: default, "),
        (["show", "nobody"], "no run 'nobody'"),
        (["show", "one-0", "--critic", "nobody"], "nobody"),
        (["demo", "--runs", "0"], "greater than or equal to 1"),
        (["dev", "--port", "http"], "a valid integer"),
    ],
    ids=words_of,
)
def test_a_wrong_call_exits_2_with_a_hint(ask: Srft, words, hint):
    said = ask(*words)
    assert said.code == 2
    assert hint in said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["sql", "DROP VIEW steps"], "read-only"),
        (["sql", "SELECT nothing FROM steps"], '"nothing" not found'),
        (["sql", "SELECT * FROM read_csv('/etc/passwd')"], "/etc/passwd"),
        (["show", "one-0", "--arm", "srft"], "masked_tokens/srft"),
    ],
    ids=words_of,
)
def test_a_failure_exits_1_with_one_line(ask: Srft, words, reason):
    said = ask(*words)
    assert said.code == 1
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1
    assert reason in said.err


def test_a_run_that_fails_tells_its_reason_and_leaves_the_partition(srft, filled):
    source(filled, "one").write_text("")
    (filled.warehouse / "trajectories" / "one.parquet").unlink()
    said = srft("apply", RULES)
    assert said.code == 1
    log, error = said.err.splitlines()
    assert log.startswith("log: ")
    assert error.startswith("error: ")
    assert error in Path(log.removeprefix("log: ")).read_text()
    assert "failed trajectories one: batch one: 1 of 1 sources" in said.out
    assert "srft ingest" in said.out
    assert f"made {RULES}: two" not in said.out, "what is in sync is kept"


def test_debug_shows_where(ask):
    said = ask("--debug", "sql", "SELECT nothing FROM steps")
    assert said.code == 1
    assert "Traceback" in said.err
    assert said.err.splitlines()[-1].startswith("error: ")


def test_an_error_nobody_thought_of_is_one_line_unless_debug(ask, monkeypatch):
    def break_down(*_: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("srft_assets.warehouse.query.run_query", break_down)
    said = ask("sql", "trajectories")
    assert said.code == 1
    assert said.err == "error: ZeroDivisionError: division by zero (srft --debug shows where)\n"
    with pytest.raises(ZeroDivisionError):
        ask("--debug", "sql", "trajectories")


def test_an_empty_platform_says_what_to_do_first(srft, home):
    said = srft("apply")
    assert said.code == 1
    assert "srft ingest PATH" in said.err
    assert "note there are no batches yet: srft ingest PATH, or srft demo" in srft("plan").out
    assert not home.root.exists()


def test_without_a_command_there_is_help(srft):
    assert "ingest" in srft("--help").out
    assert srft("--help").code == 0


def test_names_of_files_cannot_move_the_cursor(srft, home, tmp_path):
    folder = tmp_path / "runs"
    folder.mkdir()
    (folder / "\x1b[2J[red]torn.json").write_text('{"messages": [')
    said = srft("ingest", str(folder))
    assert said.code == 1
    assert "\x1b" not in said.out + said.err
    assert "refused ␛[2J[red]torn.json: truncated JSON" in said.out
    said = srft("ingest", "\x1b[2J[red]")
    assert said.err == "error: no such file or folder: ␛[2J[red]\n"


@pytest.mark.parametrize(("form", "lines"), [("csv", 1), ("table", 0)])
def test_a_closed_pipe_is_no_failure(once_filled: Home, form: str, lines: int):
    columns = ", ".join(f"repeat('x', 119) AS column_{n}" for n in range(9))
    with subprocess.Popen(
        [*PROGRAM, "sql", f"SELECT {columns} FROM range(2000)", "--format", form],
        env={**environment(once_filled), "COLUMNS": "2000"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout and process.stderr
        for _ in range(lines):
            process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode in (0, -signal.SIGPIPE)


def test_an_interrupt_exits_130_and_what_was_made_is_kept(home: Home, shared: Path):
    process = subprocess.Popen(
        [*PROGRAM, "ingest", str(shared / "trajectories"), "--batch-size", "20"],
        env=environment(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while not list(home.warehouse.glob("trajectories/*.parquet")) and process.poll() is None:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert told.splitlines()[-1] == "error: interrupted; what was made is kept"
    assert "Traceback" not in told


def test_the_version_is_that_of_the_package(ask):
    said = ask("--version")
    assert (said.code, said.out) == (0, f"srft {version('srft-assets')}\n")
