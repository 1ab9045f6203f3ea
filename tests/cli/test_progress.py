"""Long work says how far it is: bars on a terminal, lines elsewhere, and a log of either."""

import fcntl
import io
import os
import pty
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from rich.console import Console

from srft_assets.cli import console as printing
from srft_assets.cli.progress import QUIET, Lines, line, progress
from srft_assets.home import Home
from srft_assets.tables import figures, table, whole
from tests.cli.conftest import environment
from tests.trajectories.ingest_support import run_of, write_lines


def test_a_line_tells_stage_partition_count_rate_and_time_left():
    label = "step_verdicts/default mini"
    assert (
        line(label, 12, 30, 6, "12 paid") == f"{label}: 12 of 30, 2.0 a second, 9 s left, 12 paid"
    )
    assert line(label, 3, 30, 600) == f"{label}: 3 of 30, 0.3 a minute, 1 h 30 min left"
    assert line(label, 30, 30, 200) == f"{label}: 30 of 30, in 3 min 20 s"
    assert line(label, 0, 30, 20) == f"{label}: 0 of 30, for 20 s"
    assert line("", 0, 0, 0) == "at work"


def test_lines_come_while_the_work_is_silent():
    told: list[str] = []
    twice = threading.Event()

    def write(line: str) -> None:
        told.append(line)
        if len(told) == 2:
            twice.set()

    with Lines(write, every=0.05) as lines:
        lines.report("checkpoints/srft 0", 1, 120)
        assert twice.wait(30)
    assert all(one.startswith("checkpoints/srft 0: 1 of 120, ") for one in told)


def test_work_after_a_stage_is_not_told_as_that_stage():
    told: list[str] = []
    twice = threading.Event()

    def write(line: str) -> None:
        told.append(line)
        if len(told) == 2:
            twice.set()

    with Lines(write, every=0.05) as lines:
        lines.report("checkpoints/srft 0", 120, 120)
        assert twice.wait(30)
    assert told[0] == "checkpoints/srft 0: 120 of 120, in 0 s"
    assert all(one.startswith("at work after checkpoints/srft 0, for ") for one in told[1:])


def test_a_line_at_the_end_of_each_stage_and_for_what_is_waited_for():
    told: list[str] = []
    with Lines(told.append, every=1e9) as lines:
        assert list(lines.track("ab", "reading own")) == ["a", "b"]
        lines.report("masked_tokens/srft own", 0, 0, "waits for another process")
    assert [one.partition(",")[0] for one in told] == [
        "reading own: 2 of 2",
        "masked_tokens/srft own: for 0 s",
    ]


def test_a_pipe_gets_lines_and_a_log_keeps_them(srft, home):
    said = srft("ingest", str(write_lines(home.inbox / "own.jsonl", [run_of("a"), run_of("b")])))
    assert any(one.startswith("reading files: 1 of 1, in ") for one in said.out.splitlines())
    (log,) = home.logs.glob("*-ingest-*.log")
    assert f"log: {log}" in said.err.splitlines()
    kept = [one.partition(" ")[2] for one in log.read_text().splitlines()]
    assert kept[0].startswith("srft ingest ")
    assert "made trajectories: own" in kept


def test_quiet_shows_no_progress(srft, home, monkeypatch):
    monkeypatch.setenv(QUIET, "")  # undone after the test, which sets it
    path = write_lines(home.inbox / "own.jsonl", [run_of("a")])
    said = srft("ingest", "--quiet", str(path))
    assert (said.code, "reading files" in said.out) == (0, False)
    assert "made trajectories: own" in said.out
    (log,) = home.logs.glob("*-ingest-*.log")
    assert "made trajectories: own" in log.read_text()


def test_a_command_that_makes_nothing_has_no_log(filled, srft):
    before = set(filled.logs.glob("*.log"))
    assert srft("apply", "step_verdicts/rules").err == ""
    assert set(filled.logs.glob("*.log")) == before


def test_a_terminal_gets_bars(home, tmp_path: Path):
    path = write_lines(tmp_path / "own.jsonl", [run_of("a")])
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", "from srft_assets.cli import main; main()"]
    with subprocess.Popen(
        [*command, "ingest", str(path)],
        stdout=theirs,
        stderr=theirs,
        env=environment(home) | {"TERM": "xterm"},
    ) as child:
        os.close(theirs)
        shown = b""
        try:
            while part := os.read(ours, 65536):
                shown += part
        except OSError:  # the other end is closed
            pass
    os.close(ours)
    assert child.returncode == 0
    assert "━" in shown.decode() and "reading files: " not in shown.decode()


def test_a_log_holds_no_secret_and_nothing_that_acts_on_a_terminal(home, monkeypatch):
    url = "https://me:p@ss@host/v1?key=abc"
    monkeypatch.setattr(sys, "argv", ["srft", "ingest", "caf\udce9\x1b[2J\x07.jsonl", url])
    printing.open_log(home)
    printing.keep("caf\udce9")
    path = printing.close_log()
    assert path is not None and path.stat().st_mode & 0o777 == 0o600
    first, second = [one.partition(" ")[2] for one in path.read_text().splitlines()]
    assert first == (r"srft ingest 'caf\udce9␛[2J␇.jsonl' 'https://[hidden]@host/v1?[hidden]'")
    assert second == r"caf\udce9"


@pytest.mark.parametrize(("stated", "quiet"), [("", False), ("0", False), ("1", True)])
def test_quiet_by_the_environment(monkeypatch, capsys, stated, quiet):
    monkeypatch.setenv(QUIET, stated)
    with progress(Console()) as told_to:
        told_to.report("reading files", 1, 1)
    assert ("reading files" not in capsys.readouterr().out) == quiet


def test_a_log_on_a_full_disk_ends_and_the_command_speaks_on(monkeypatch, capsys):
    with suppress(OSError), Path("/dev/full").open("a", encoding="utf-8", buffering=1) as full:
        monkeypatch.setattr(printing, "_log", full)
        for told in ("one", "two"):
            printing.say(Console(), told)
    said = capsys.readouterr()
    assert said.out.splitlines() == ["one", "two"]
    assert said.err == "the log ends here: /dev/full: No space left on device\n"


def test_a_command_that_has_just_begun_says_what_it_is_at() -> None:
    told: list[str] = []
    with Lines(told.append, every=1e9) as lines:
        lines.report("masked_tokens/srft mini", 0, 0, "")
        assert told == []
        lines._say(news=False)
    assert told[0].startswith("masked_tokens/srft mini: for ")


def test_the_newest_logs_stay_and_those_of_living_processes(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SRFT_HOME", str(home.root))
    monkeypatch.setenv("SRFT_LOGS", "2")
    home.logs.mkdir(parents=True)
    dead = [home.logs / f"2026010{day}T000000-apply-{2**22 + day}.log" for day in (1, 2, 3)]
    mine = home.logs / f"20250101T000000-demo-{os.getpid()}.log"
    server = home.logs / "vllm.log"
    for path in (*dead, mine, server):
        path.touch()
    with mine.open("r+b") as held:  # as another process at work does, on whichever host
        fcntl.flock(held, fcntl.LOCK_EX)
        printing.open_log(home)
        made = printing.close_log()
        assert set(home.logs.iterdir()) == {dead[2], made, mine, server}
    printing.open_log(home)
    printing.close_log()
    assert not mine.exists()


def test_a_table_that_is_shown_is_in_the_log_too(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SRFT_HOME", str(home.root))
    printing.open_log(home)
    out = io.StringIO()
    printing.show(Console(file=out), table([whole("arm"), *figures("runs")], [("srft", "60")]))
    log = printing.close_log()
    assert log and [line.split()[1:] for line in log.read_text().splitlines()[1:]] == [
        ["arm", "runs"],
        ["srft", "60"],
    ]
    assert out.getvalue().split() == ["arm", "runs", "srft", "60"]
