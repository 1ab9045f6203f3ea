"""Each hostile command ends with a result, and the machine is as it was before."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from srft_assets.sandbox import Limits, Sandbox

LIMITS = Limits(wall_seconds=2, memory_mb=300, file_mb=8, output_bytes=10_000, processes=48)
SECRET = "hunter2-of-the-host"
MARK = "86499"
"""Seconds that hostile commands sleep: their processes are known by it."""

HOSTILE = {
    "forks without end": f"f() {{ f | f & sleep {MARK}; }}; f",
    "fills the disk": "i=0; while :; do head -c 8000000 /dev/zero > f$((i++)) || break; done",
    "fills the scratch space": "head -c 900000000 /dev/zero > /tmp/f",
    "fills the memory": 'python -c "x = [bytearray(1 << 20) for _ in range(4096)]"',
    "fills the memory in many": f'for i in 1 2 3 4 5 6; do python -c "import time; '
    f"x = b'1' * (180 << 20); time.sleep({MARK})\" & done; wait",
    "opens the network": "exec 3<>/dev/tcp/1.1.1.1/53",
    "reads the home folder": f"cat {Path.home()}/.* {Path.home()}/*",
    "reads the environment": "env; cat /proc/*/environ",
    "writes outside its tree": f"echo x > ../outside; echo x > {Path.home()}/outside; echo x > /x",
    "kills its parent": "kill -9 $PPID; kill -9 1; kill -9 -1",
    "kills everything it can name": "for pid in $(seq 2 40000); do kill -9 $pid; done 2>/dev/null",
    "never ends": f"trap '' TERM INT HUP; while :; do sleep {MARK}; done",
    "leaves the session": f"setsid nohup sh -c 'trap \"\" HUP; sleep {MARK}' & disown; echo gone",
}


@pytest.fixture
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    """A process of ours that has nothing to do with it."""
    process = subprocess.Popen(["sleep", "300"])
    yield process
    process.kill()
    process.wait()


@pytest.mark.parametrize("command", HOSTILE.values(), ids=HOSTILE.keys())
def test_it_ends_with_a_result_and_the_machine_is_as_before(
    sandbox: Sandbox,
    workdir: Path,
    bystander: subprocess.Popen[bytes],
    monkeypatch: pytest.MonkeyPatch,
    command: str,
) -> None:
    monkeypatch.setenv("SRFT_CRITIC_KEY", SECRET)
    free = shutil.disk_usage(workdir).free
    beside = sorted(workdir.parent.iterdir())

    done = sandbox.run(command, workdir=workdir, limits=LIMITS)

    assert done.timed_out == (done.returncode == -1)
    assert len(done.output) < 11_000
    assert SECRET not in done.output
    assert bystander.poll() is None and os.getppid() > 1
    assert not _left(), "a process outlived its command"
    assert sorted(workdir.parent.iterdir()) == beside
    assert not Path.home().joinpath("outside").exists() and not Path("/x").exists()
    assert sum(file.stat().st_size for file in workdir.iterdir()) < 2**30
    shutil.rmtree(workdir)
    workdir.mkdir()
    assert shutil.disk_usage(workdir).free > free - 2**30
    again = sandbox.run("echo as before", workdir=workdir, limits=LIMITS)
    assert (again.returncode, again.output) == (0, "as before\n")


def test_the_home_folder_is_not_there(sandbox: Sandbox, workdir: Path) -> None:
    """But for the folders that lead to the Python of the sandbox, where that is one of the user."""
    hidden = [one for one in Path.home().iterdir() if not Path(sys.base_prefix).is_relative_to(one)]
    assert hidden, "this user has an empty home folder: nothing can be told"
    listing = sandbox.run(f"ls -A {Path.home()}", workdir=workdir).output.split("\n")
    assert not {one.name for one in hidden} & {*listing}
    assert sandbox.run("ls -A ~", workdir=workdir).output == ""


def test_a_parent_that_is_shot_at_lives_on(sandbox: Sandbox, workdir: Path) -> None:
    """Process 1 of the sandbox is nobody's to kill, and nobody outside has a number in it."""
    done = sandbox.run("kill -9 $PPID; kill -9 1; echo alive; ps -e | wc -l", workdir=workdir)
    assert done.returncode == 0 and "alive" in done.output


def test_output_beyond_memory_is_cut(sandbox: Sandbox, workdir: Path) -> None:
    limits = LIMITS.model_copy(update={"wall_seconds": 60, "cpu_seconds": 60})
    before = psutil.Process().memory_info().rss
    flood = "head -c 250000000 /dev/zero | tr '\\0' x; echo end"
    done = sandbox.run(flood, workdir=workdir, limits=limits)
    assert done.output.endswith("end\n") and "bytes cut ...]" in done.output
    assert psutil.Process().memory_info().rss - before < 100 * 2**20


def _left() -> list[psutil.Process]:
    """Processes of hostile commands that still live; dying ones get a moment."""
    alive = [p for p in psutil.process_iter(["cmdline"]) if MARK in (p.info["cmdline"] or [])]
    return psutil.wait_procs(alive, timeout=2)[1]
