"""What hostile commands cannot do. Each would hurt the machine if the sandbox let it."""

import os
import time
from pathlib import Path

import psutil
import pytest

from srft_assets.sandbox import Limits, Sandbox, open_sandbox

SHORT = Limits(wall_seconds=5, memory_mb=512, file_mb=4, output_bytes=4096, processes=48)


def test_sleeping_children_die_with_the_time(either: Sandbox, workdir: Path) -> None:
    limits = SHORT.model_copy(update={"wall_seconds": 0.6})
    done = either.run("sleep 86411 & sleep 86412 & echo on; wait", workdir=workdir, limits=limits)
    assert (done.timed_out, done.returncode, done.output) == (True, -1, "on\n")
    assert not _alive("86411") and not _alive("86412")


def test_daemons_die_with_their_command(sandbox: Sandbox, workdir: Path) -> None:
    done = sandbox.run("setsid nohup sleep 86413 & echo done", workdir=workdir, limits=SHORT)
    assert (done.output, done.timed_out) == ("done\n", False)
    assert not _alive("86413")


def test_a_child_that_holds_the_output_open_is_not_waited_for(
    either: Sandbox, workdir: Path
) -> None:
    done = either.run("sleep 86414 & echo done", workdir=workdir, limits=SHORT)
    assert (done.output, done.timed_out) == ("done\n", False)
    assert not _alive("86414")


def test_ignored_signals_do_not_help(sandbox: Sandbox, workdir: Path) -> None:
    limits = SHORT.model_copy(update={"wall_seconds": 0.5})
    done = sandbox.run(
        "trap '' TERM INT HUP XCPU; while :; do :; done", workdir=workdir, limits=limits
    )
    assert done.timed_out


def test_a_file_cannot_outgrow_its_limit(either: Sandbox, workdir: Path) -> None:
    done = either.run("head -c 100000000 /dev/zero > big", workdir=workdir, limits=SHORT)
    assert done.returncode != 0
    assert (workdir / "big").stat().st_size <= 4 * 2**20


def test_many_files_cannot_fill_the_disk(sandbox: Sandbox, workdir: Path) -> None:
    done = sandbox.run(
        "i=0; while :; do head -c 4000000 /dev/zero > f$i; i=$((i+1)); sync f$i 2>/dev/null; done",
        workdir=workdir,
        limits=SHORT.model_copy(update={"wall_seconds": 20}),
    )
    assert done.returncode == 137 and "64 MB written" in done.output
    assert sum(file.stat().st_size for file in workdir.iterdir()) < 2 * 2**30


@pytest.mark.parametrize("place", ["/tmp", "/dev/shm"])
def test_scratch_space_is_bounded(sandbox: Sandbox, workdir: Path, place: str) -> None:
    limits = SHORT.model_copy(update={"file_mb": 4096})
    done = sandbox.run(f"head -c 900000000 /dev/zero > {place}/f", workdir=workdir, limits=limits)
    assert "No space left" in done.output


def test_memory_of_one_process_is_bounded(either: Sandbox, workdir: Path) -> None:
    done = either.run("python -c 'x = bytearray(1 << 30)'", workdir=workdir, limits=SHORT)
    assert "MemoryError" in done.output


def test_memory_of_all_processes_is_bounded(sandbox: Sandbox, workdir: Path) -> None:
    hog = "python -c 'import time; x = b\"1\" * (150 << 20); time.sleep(86416)' & "
    limits = SHORT.model_copy(update={"memory_mb": 200, "wall_seconds": 15})
    done = sandbox.run(hog * 4 + "wait", workdir=workdir, limits=limits)
    assert done.returncode == 137 and "400 MB of memory" in done.output


def test_cpu_time_is_bounded(either: Sandbox, workdir: Path) -> None:
    limits = SHORT.model_copy(update={"cpu_seconds": 1, "wall_seconds": 20})
    done = either.run("while :; do :; done", workdir=workdir, limits=limits)
    assert not done.timed_out and done.returncode == 137


def test_an_output_flood_is_cut_in_the_middle(either: Sandbox, workdir: Path) -> None:
    done = either.run(
        "echo first; head -c 50000000 /dev/zero | tr '\\0' x; echo last",
        workdir=workdir,
        limits=SHORT,
    )
    assert done.returncode == 0
    assert done.output.startswith("first\n") and done.output.endswith("last\n")
    assert "bytes cut ...]" in done.output and len(done.output) < 4200


def test_there_is_no_network(sandbox: Sandbox, workdir: Path) -> None:
    done = sandbox.run(
        "python -c \"import socket; socket.create_connection(('1.1.1.1', 53), 2)\"; "
        "tail -n +3 /proc/net/dev | cut -d: -f1",
        workdir=workdir,
    )
    assert "Network is unreachable" in done.output
    assert done.output.split()[-1] == "lo"


OUTSIDE = ["/", "/usr", "/etc", "/opt", "/dev", "/proc", "/opt/tools", "/var", "/home", "/root"]


def test_nothing_outside_is_writable(sandbox: Sandbox, workdir: Path) -> None:
    command = "; ".join(f"echo x > {place}/srft-was-here" for place in OUTSIDE)
    assert sandbox.run(command, workdir=workdir).output.count("\n") == len(OUTSIDE)
    writable = sandbox.run(
        "find / -maxdepth 3 -writable -type d -not -path '/proc/*'", workdir=workdir
    )
    assert set(writable.output.split()) == {"/testbed", "/tmp", "/dev/shm", "/dev/pts"}


def test_root_cannot_turn_the_knobs_of_the_kernel(sandbox: Sandbox, workdir: Path) -> None:
    """Files of /proc/sys belong to root: without a read-only /proc this wrote to the host."""
    knob = Path("/proc/sys/vm/swappiness")
    before = knob.read_text()
    done = sandbox.run(f"echo {before.strip()} > {knob}", workdir=workdir)
    assert done.returncode != 0
    # Only files of the sandbox's own processes may seem writable, on a read-only mount.
    written = sandbox.run("echo 1 > /proc/self/oom_score_adj", workdir=workdir)
    assert "Read-only file system" in written.output


def test_the_host_is_not_to_be_seen(sandbox: Sandbox, workdir: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret-of-the-host")
    done = sandbox.run(
        f"cat {tmp_path}/secret ../secret /testbed/../secret /etc/shadow; ls /home /sys /run; "
        f"ls /proc | grep -c '^[0-9]'; cat /proc/1/environ | tr '\\0' '\\n'",
        workdir=workdir,
    )
    assert "secret-of-the-host" not in done.output
    assert done.output.count("No such file or directory") == 7
    assert int(done.output.split()[-1]) < 10


def test_symlinks_lead_to_the_sandbox_own_files(
    sandbox: Sandbox, workdir: Path, tmp_path: Path
) -> None:
    (tmp_path / "victim").write_text("whole")
    done = sandbox.run(f"ln -s {tmp_path}/victim v; echo x > v", workdir=workdir)
    assert done.returncode != 0
    assert (tmp_path / "victim").read_text() == "whole"


def test_no_namespace_and_no_privilege_can_be_had(sandbox: Sandbox, workdir: Path) -> None:
    done = sandbox.run(
        "unshare -U true || echo refused; grep -E 'CapEff|NoNewPrivs' /proc/self/status",
        workdir=workdir,
    )
    assert "refused" in done.output
    assert "CapEff:\t0000000000000000" in done.output and "NoNewPrivs:\t1" in done.output


def test_readonly_folders_stay_readonly(workdir: Path, tmp_path: Path, sandbox: Sandbox) -> None:
    shown = tmp_path / "shown"
    shown.mkdir()
    (shown / "a").write_text("readable\n")
    done = open_sandbox(readonly=[shown]).run(f"cat {shown}/a; rm {shown}/a", workdir=workdir)
    assert done.output.startswith("readable\n") and (shown / "a").exists()


def test_no_handle_of_ours_is_inherited(sandbox: Sandbox, workdir: Path) -> None:
    opened = os.open(workdir, os.O_RDONLY)
    os.set_inheritable(opened, True)
    try:
        done = sandbox.run("ls /proc/self/fd", workdir=workdir)
    finally:
        os.close(opened)
    assert done.output.split() == ["0", "1", "2", "3"]


def _alive(word: str) -> bool:
    """Whether a process with this argument lives; dying ones get a moment."""
    for _ in range(20):
        if not any(word in process.info["cmdline"] for process in _processes()):
            return False
        time.sleep(0.05)
    return True


def _processes() -> list[psutil.Process]:
    return [p for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"]]
