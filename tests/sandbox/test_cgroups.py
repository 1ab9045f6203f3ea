"""The cgroups of a process: where they are, and that none outlives it for long."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from srft_assets.sandbox import Limits, cgroups, open_sandbox
from srft_assets.sandbox.cgroups import OwnCgroup, command_cgroup, read_own, sweep

ROOT = Path(__file__).resolve().parents[2]
RUN = (
    "import os, sys; from pathlib import Path; from srft_assets.sandbox import open_sandbox\n"
    "def run(command): print(os.getpid(), open_sandbox().run(command, workdir=Path(sys.argv[1]))"
    ".output, end='', flush=True)\n"
)


def test_a_process_leaves_no_cgroup(own: OwnCgroup, workdir: Path) -> None:
    pid, said = _said("run('echo on')", workdir).split()
    assert said == "on" and not _left(own, pid)


def test_a_forked_process_makes_cgroups_of_its_own(own: OwnCgroup, workdir: Path) -> None:
    forking = (
        "run('echo 1')\nif os.fork() == 0: run('echo 2'); os._exit(0)\nos.wait()\nrun('echo 3')"
    )
    said = _said(forking, workdir)
    assert [line.split()[1] for line in said.splitlines()] == ["1", "2", "3"]


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
        sweep(own.folder)
        return not _left(own, process.pid)

    assert _soon(swept)
    with command_cgroup(1, 64) as living:
        sweep(own.folder)
        assert living and living.folders[0][1].exists(), "those of living processes stay"


def test_many_short_commands_leave_few_cgroups(own: OwnCgroup, workdir: Path) -> None:
    many = (
        "from srft_assets.sandbox.cgroups import find_own\n"
        "for _ in range(60): run('true')\n"
        "print(len(list(find_own().folder.glob(f'srft-{os.getpid()}-*'))))"
    )
    assert int(_said(many, workdir).split()[-1]) < 30


def test_a_command_has_its_processes_where_the_last_ones_are_still_dying(
    own: OwnCgroup, workdir: Path
) -> None:
    limits = Limits(processes=16)
    for _ in range(20):
        done = open_sandbox().run("sleep 0 & sleep 0 & wait", workdir=workdir, limits=limits)
        assert done.returncode == 0, done.output


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


def test_version_2_bounds_memory_and_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Plain files stand for its tree: what is asked of the kernel, and how its answers are read."""
    tree, proc = tmp_path / "cgroup", tmp_path / "proc"
    own = tree / "user.slice"
    own.mkdir(parents=True)
    (own / "cgroup.controllers").write_text("cpu memory pids\n")
    (own / "cgroup.subtree_control").write_text("pids\n")
    (proc / "self").mkdir(parents=True)
    (proc / "self/cgroup").write_text("0::/user.slice\n")
    mount = MOUNT_V2.format("/").replace("/sys/fs/cgroup", str(tree))
    (proc / "self/mountinfo").write_text(mount)
    monkeypatch.setattr(cgroups, "PROC", proc)
    monkeypatch.setattr(cgroups, "_left", set())
    cgroups.usable_places.cache_clear()
    try:
        assert cgroups.kept_by_cgroups() == {"memory", "pids"}
        assert (own / "cgroup.subtree_control").read_text() == "+memory"
        with command_cgroup(30, 64) as cgroup:
            assert cgroup
            [(_, folder)] = cgroup.folders
            subprocess.run([*cgroup.entering(), "/bin/true"], check=True)
            written = {path.name: path.read_text().strip() for path in folder.iterdir()}
            (folder / "memory.events").write_text("low 0\noom 2\noom_kill 1\n")
            (folder / "pids.events").write_text("max 3\n")
            assert (cgroup.out_of_memory(), cgroup.refusals()) == (1, 3)
    finally:
        cgroups.usable_places.cache_clear()
    bounds = {"memory.max": str(64 << 20), "memory.swap.max": "0", "pids.max": "32"}
    assert written == {**bounds, "cgroup.procs": "0"}


def _said(code: str, workdir: Path) -> str:
    """What a process of its own prints; the code may `run` commands in the sandbox."""
    return subprocess.run(
        [sys.executable, "-c", RUN + code, workdir],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def _left(own: OwnCgroup, pid: int | str) -> list[Path]:
    return list(own.folder.glob(f"srft-{pid}-*"))


def _soon(holds: Callable[[], bool]) -> bool:
    until = time.monotonic() + 10
    while not holds() and time.monotonic() < until:
        time.sleep(0.02)
    return holds()
