"""The number of processes of a command, kept by the kernel also where root runs it."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from srft_assets.sandbox import Limits, Sandbox, UnsafeSandbox, bubblewrap, cgroups, sandbox_status
from srft_assets.sandbox.cgroups import OwnCgroup

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
def no_cgroups(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As where /sys/fs/cgroup is not shown."""
    monkeypatch.setattr(cgroups, "find_own", lambda controller: None)
    cgroups.usable_places.cache_clear()
    yield
    cgroups.usable_places.cache_clear()


def test_a_doubling_fork_bomb_stays_within_its_bound(kept: Sandbox, workdir: Path) -> None:
    with _peak_of_the_machine() as peak:
        before = _processes()
        done = kept.run(BOMB, workdir=workdir, limits=FEW)
    assert max(peak) - before < FEW.processes + ELSEWHERE
    assert (done.returncode, done.timed_out) == (137, False)
    assert done.output.endswith("[killed: more than 32 processes]\n")


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
