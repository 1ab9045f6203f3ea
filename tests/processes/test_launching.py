"""Work behind a prefix: as here, wherever it runs, and ended with whoever asked for it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from threading import Timer
from typing import Any

import psutil
import pytest

from srft_assets.errors import SrftError
from srft_assets.files import place
from srft_assets.processes import launch as launching
from srft_assets.processes.launch import job_folder, launch_behind
from srft_assets.processes.locks import exclusive
from srft_assets.processes.remote import WANTED, Task

SUBMIT = """
import subprocess, sys, time
from pathlib import Path
spool = Path(sys.argv[1])
(spool / "asked").write_text("\\0".join(sys.argv[2:]))
while not (spool / "code").exists():
    time.sleep(0.05)
sys.stdout.write((spool / "output").read_text())
sys.exit(int((spool / "code").read_text()))
"""
"""Hands a command to a service and waits, as `ray job submit` does: no signal reaches the work."""
SERVICE = """
import subprocess, sys, time
from pathlib import Path
spool = Path(sys.argv[1])
while not (spool / "asked").exists():
    time.sleep(0.05)
with (spool / "output").open("w") as output:
    process = subprocess.Popen((spool / "asked").read_text().split("\\0"), env={}, cwd="/",
        stdout=output, stderr=output, start_new_session=True)
    (spool / "pid").write_text(str(process.pid))
    code = process.wait()
(spool / "new").write_text(str(code % 256))
(spool / "new").rename(spool / "code")
"""
ASKING = """
import sys
from pathlib import Path
from srft_assets.processes.launch import job_folder, launch_behind
with job_folder(Path(sys.argv[1])) as folder:
    launch_behind(sys.argv[2:], ["sleep", "600"], {}, folder)
"""


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Path]:
    """The folder of a service that runs one command, in an environment of its own."""
    folder = tmp_path / "spool"
    folder.mkdir()
    with subprocess.Popen([sys.executable, "-c", SERVICE, str(folder)]) as service:
        yield folder
        service.kill()


@pytest.fixture
def submit(spool: Path) -> list[str]:
    return [sys.executable, "-c", SUBMIT, str(spool)]


def behind(prefix: list[str], argv: list[str], launches: Path, **env: str) -> list[str]:
    """The lines of the command."""
    lines: list[str] = []
    with job_folder(launches) as folder:
        launch_behind(prefix, argv, env, folder, on_line=lines.append)
    return lines


def sleeping_below(pid: int) -> psutil.Process:
    """The `sleep` that a process has started, however deep."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        for process in psutil.Process(pid).children(recursive=True):
            if process.name() == "sleep":
                return process
        time.sleep(0.05)
    raise AssertionError("it did not begin")


def begun(spool: Path) -> psutil.Process:
    """The `sleep` of the service."""
    while not (spool / "pid").exists() or not (spool / "pid").read_text():
        time.sleep(0.05)
    return sleeping_below(int((spool / "pid").read_text()))


def test_neither_environment_nor_folder_nor_signals_of_the_prefix_are_needed(
    submit: list[str], tmp_path: Path
) -> None:
    script = 'echo "$WHAT in $PWD"'
    lines = behind(submit, ["bash", "-c", script], tmp_path / "launches", WHAT="three")
    assert lines == [f"three in {Path.cwd()}"]
    assert list((tmp_path / "launches").iterdir()) == []


def test_the_projects_env_file_is_read_there(tmp_path: Path) -> None:
    """Secrets that the prefix brings come first."""
    (tmp_path / "srft.yaml").touch()
    (tmp_path / ".env").write_text("TOKEN=mine\nOTHER=file\n")
    words = ["bash", "-c", "echo $TOKEN $OTHER"]
    prefix, launches = ["env", "OTHER=theirs"], tmp_path / "launches"
    assert behind(prefix, words, launches, SRFT_PROJECT=str(tmp_path)) == ["mine theirs"]
    with pytest.raises(SrftError, match=r"SRFT_PROJECT: no srft.yaml in"):
        behind(prefix, words, launches, SRFT_PROJECT=str(launches))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_work_that_no_signal_reaches_ends_with_who_asked_for_it(
    submit: list[str], spool: Path, tmp_path: Path, number: signal.Signals
) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", ASKING, str(tmp_path / "launches"), *submit],
        stderr=subprocess.DEVNULL,
    )
    work = begun(spool)
    parent.send_signal(number)
    work.wait(timeout=20)
    assert parent.wait() != 0
    assert not work.is_running()
    left = list((tmp_path / "launches").iterdir())
    assert len(left) == (number is signal.SIGKILL)
    behind(["env"], ["true"], tmp_path / "launches")
    assert list((tmp_path / "launches").iterdir()) == [], "what a killed process left is removed"


def test_a_command_that_fails_there_tells_its_host_and_its_last_lines(tmp_path: Path) -> None:
    host = os.uname().nodename
    with pytest.raises(SrftError, match=rf"^on {host}: bash failed \(exit code 3\): last$"):
        behind(["env"], ["bash", "-c", "echo last; exit 3"], tmp_path)
    with pytest.raises(SrftError, match=r"^disk full$"):
        behind(["env"], ["bash", "-c", "echo 'error: disk full'; exit 1"], tmp_path)
    with pytest.raises(SrftError, match=r"cannot start nonesuch: No such file"):
        behind(["env"], ["nonesuch"], tmp_path)


def test_a_node_that_is_lost_is_told_from_a_command_that_failed(
    submit: list[str], spool: Path, tmp_path: Path
) -> None:
    with job_folder(tmp_path) as folder:
        killer = subprocess.Popen(
            [
                "bash",
                "-c",
                f"until [ -s {spool}/pid ]; do sleep 0.1; done; sleep 3; "
                f"kill -KILL $(cat {spool}/pid)",
            ]
        )
        with pytest.raises(SrftError, match=r"was lost, or the work there killed .*; the same com"):
            launch_behind(submit, ["sleep", "600"], {}, folder)
        killer.wait()


def test_a_prefix_that_ends_the_work_says_so(tmp_path: Path) -> None:
    """As `scancel` or a time limit does."""
    impatient = ["timeout", "3"]
    with pytest.raises(SrftError, match=r"timeout ended the work on .*; the same command goes on"):
        behind(impatient, ["sleep", "600"], tmp_path)


def test_a_prefix_that_does_not_wait_is_told(tmp_path: Path) -> None:
    with pytest.raises(SrftError, match=r"^true came back and nothing had run: the prefix has to"):
        behind(["true"], ["sleep", "1"], tmp_path)
    with pytest.raises(SrftError, match=r"^bash failed \(exit code 1\): no such partition"):
        behind(["bash", "-c", "echo no such partition; exit 1"], ["sleep", "1"], tmp_path)
    with pytest.raises(SrftError, match=r"^false failed \(exit code 1\)"):
        behind(["false", "-m", "cyclic"], ["sleep", "1"], tmp_path)
    with pytest.raises(SrftError, match=r"cannot start srun-of-no-cluster: No such file"):
        behind(["srun-of-no-cluster"], ["sleep", "1"], tmp_path)


def test_what_a_node_wrote_may_be_seen_late(tmp_path: Path) -> None:
    """As through the caches of a network file system: the prefix is back before its files are."""
    told = Task(host="node-b", code=0).model_dump_json().encode()
    with job_folder(tmp_path) as folder:
        late = Timer(1.0, place, [folder / "task-1.json", told])
        late.start()
        launch_behind(["true"], ["true"], {}, folder)
        late.join()


def test_a_folder_that_vanishes_while_it_is_swept_stops_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two sweep at once, and `mkdir` finds a folder that is gone when it looks again."""

    def vanishing(lock: Path, **settings: Any) -> AbstractContextManager[bool]:
        if lock.parent.name == "left":
            raise FileExistsError(lock.parent)
        return exclusive(lock, **settings)

    (tmp_path / "left").mkdir()
    (tmp_path / "left" / WANTED).touch()
    monkeypatch.setattr(launching, "exclusive", vanishing)
    with job_folder(tmp_path) as folder:
        assert folder.is_dir()


def test_each_of_several_tasks_must_come_to_its_end(tmp_path: Path) -> None:
    twice = ["bash", "-c", '"$@" & "$@"; wait', "srun"]
    lines = behind(twice, ["echo", "here"], tmp_path)
    assert lines == ["here", "here"]
    one_fails = ["bash", "-c", "if mkdir $0/first; then exit 5; fi", str(tmp_path)]
    with pytest.raises(SrftError, match=r"failed \(exit code 5\)"):
        behind(twice, one_fails, tmp_path)
