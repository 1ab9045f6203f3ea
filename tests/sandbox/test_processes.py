"""The number of processes of a command, kept by the kernel also where root runs it."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from srft_assets.sandbox import Limits, Sandbox, bubblewrap, sandbox_status, slots
from srft_assets.sandbox.cgroups import OwnCgroup, find_own, read_own, sweep
from srft_assets.sandbox.slots import open_slots
from srft_assets.sandbox.unsafe import UnsafeSandbox

ROOT = Path(__file__).resolve().parents[2]
BOMB = ":(){ :|:& };:; sleep 20"
FEW = Limits(wall_seconds=10, processes=32)
ELSEWHERE = 200
"""Processes that the rest of a busy machine may start meanwhile; a free bomb makes thousands."""


@pytest.fixture
def kept(sandbox: Sandbox) -> Sandbox:
    """A sandbox whose processes the kernel bounds; a bomb would hurt any other machine."""
    if "processes kept by" not in sandbox_status():
        pytest.skip(sandbox_status())
    return sandbox


@pytest.fixture
def own(sandbox: Sandbox) -> OwnCgroup:
    """Where this process makes its cgroups; skips where it makes none."""
    found = find_own()
    if found is None or "pids cgroup" not in sandbox_status():
        pytest.skip(sandbox_status())
    return found


@pytest.fixture
def no_cgroups(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As where /sys/fs/cgroup is not shown."""
    monkeypatch.setattr(slots, "find_own", lambda: None)
    open_slots.cache_clear()
    yield
    open_slots.cache_clear()


def test_a_doubling_fork_bomb_stays_within_its_bound(kept: Sandbox, workdir: Path) -> None:
    with _peak_of_the_machine() as peak:
        before = _processes()
        done = kept.run(BOMB, workdir=workdir, limits=FEW)
    assert max(peak) - before < FEW.processes + ELSEWHERE
    assert (done.returncode, done.timed_out) == (137, False)
    assert done.output.endswith("[killed: more than 32 processes]\n")
    assert done.seconds < 5


def test_a_cgroup_keeps_an_unconfined_bomb_too(own: OwnCgroup, workdir: Path) -> None:
    done = UnsafeSandbox().run(BOMB, workdir=workdir, limits=FEW)
    assert done.returncode == 137 and done.output.endswith("[killed: more than 32 processes]\n")


def test_threads_count_too(own: OwnCgroup, kept: Sandbox, workdir: Path) -> None:
    many = "import threading as t; [t.Thread(target=t.Event().wait).start() for _ in range(40)]"
    roomy = FEW.model_copy(update={"memory_mb": 8192})
    done = kept.run(f"python -c '{many}'", workdir=workdir, limits=roomy)
    assert done.returncode == 137 and "more than 32 processes" in done.output


def test_as_many_as_allowed_may_run(kept: Sandbox, workdir: Path) -> None:
    done = kept.run(
        "for i in $(seq 28); do sleep 0.2 & done; wait; echo all", workdir=workdir, limits=FEW
    )
    assert (done.returncode, done.output) == (0, "all\n")


def test_each_command_has_a_bound_of_its_own(kept: Sandbox, tmp_path: Path) -> None:
    """Bombs beside them take nothing from commands that stay within their bounds."""

    def one(number: int) -> str:
        folder = tmp_path / str(number)
        folder.mkdir()
        modest = "for i in $(seq 20); do sleep 0.1 & done; wait; echo all"
        command = BOMB if number % 3 == 0 else modest
        return kept.run(command, workdir=folder, limits=FEW).output.splitlines()[-1]

    with ThreadPoolExecutor(4) as pool:
        said = list(pool.map(one, range(12)))
    assert said == ["[killed: more than 32 processes]", "all", "all"] * 4


def test_without_the_kernel_they_are_watched(
    sandbox: Sandbox, workdir: Path, no_cgroups: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bubblewrap, "rlimit_counts", lambda: False)
    assert "processes only watched" in sandbox_status()
    slowly = "for i in $(seq 300); do sleep 9 & sleep 0.005; done"
    done = sandbox.run(slowly, workdir=workdir, limits=FEW)
    assert "more than 32 processes" in done.output


RUN = (
    "import os, sys; from pathlib import Path; from srft_assets.sandbox import open_sandbox\n"
    "def run(command): print(os.getpid(), open_sandbox().run(command, workdir=Path(sys.argv[1]))"
    ".output, end='', flush=True)\n"
)


def test_a_process_leaves_no_cgroup(own: OwnCgroup, workdir: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", RUN + "run('echo on')", workdir],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    pid, said = done.stdout.split()
    assert said == "on" and not _left(own, pid)


def test_a_forked_process_makes_cgroups_of_its_own(own: OwnCgroup, workdir: Path) -> None:
    forking = (
        "run('echo 1')\nif os.fork() == 0: run('echo 2'); os._exit(0)\nos.wait()\nrun('echo 3')"
    )
    done = subprocess.run(
        [sys.executable, "-c", RUN + forking, workdir],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert [line.split()[1] for line in done.stdout.splitlines()] == ["1", "2", "3"]


def test_an_interrupted_process_ends_its_command(own: OwnCgroup, workdir: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", RUN + "run('touch began; sleep 86418')", workdir],
        cwd=ROOT,
        stderr=subprocess.PIPE,
    ) as process:
        assert _soon(lambda: (workdir / "began").exists())
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=10)
    assert b"KeyboardInterrupt" in said
    assert not _left(own, process.pid)


def test_what_a_killed_process_left_is_swept(own: OwnCgroup, workdir: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", RUN + "run('touch began; sleep 86417')", workdir], cwd=ROOT
    ) as process:
        assert _soon(lambda: (workdir / "began").exists())
        process.send_signal(signal.SIGKILL)
    assert _left(own, process.pid)

    def swept() -> bool:
        sweep(own)
        return not _left(own, process.pid)

    assert _soon(swept)
    assert open_slots() and _left(own, os.getpid()), "those of living processes stay"


V1 = "8:pids:{}\n4:memory:/elsewhere\n0::/unified\n"
V2 = "0::{}\n"
MOUNT_V1 = "30 25 0:28 {} /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids\n"
MOUNT_V2 = "31 25 0:29 {} /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
OTHERS = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n29 25 0:27 / /c/cpu rw - cgroup cgroup rw,cpu\n"


@pytest.mark.parametrize(
    ("cgroups", "mounts", "found"),
    [
        (V1.format("/"), MOUNT_V1.format("/"), (1, "pids")),
        (V1.format("/a/b"), MOUNT_V2.format("/") + MOUNT_V1.format("/"), (1, "pids/a/b")),
        (V1.format("/docker/f00"), MOUNT_V1.format("/docker/f00"), (1, "pids")),
        (V2.format("/user.slice/a.scope"), MOUNT_V2.format("/"), (2, "user.slice/a.scope")),
        (V2.format("/"), MOUNT_V2.format("/"), (2, "")),
        (V2.format("/../other"), MOUNT_V2.format("/"), None),
        (V2.format("/a"), MOUNT_V2.format("/b"), None),
        (V1.format("/"), MOUNT_V2.format("/"), None),
        ("", MOUNT_V2.format("/"), None),
    ],
    ids=["v1", "hybrid", "container v1", "v2", "root v2", "outside", "other", "unmounted", "none"],
)  # fmt: skip
def test_the_own_cgroup_is_found(cgroups: str, mounts: str, found: tuple[int, str] | None) -> None:
    expected = found and OwnCgroup(found[0], Path("/sys/fs/cgroup", found[1]))
    assert read_own(cgroups, OTHERS + mounts) == expected


@contextmanager
def _peak_of_the_machine() -> Iterator[list[int]]:
    """Counts of all processes and threads of the machine, taken each millisecond."""
    seen: list[int] = []
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.001):
            seen.append(_processes())

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def _processes() -> int:
    return int(Path("/proc/loadavg").read_text().split()[3].partition("/")[2])


def _left(own: OwnCgroup, pid: int | str) -> list[Path]:
    return list(own.folder.glob(f"srft-{pid}-*"))


def _soon(holds: Callable[[], bool]) -> bool:
    until = time.monotonic() + 10
    while not holds() and time.monotonic() < until:
        time.sleep(0.02)
    return holds()
