"""One sandbox for all commands of a run: what follows on what, and bounds for them together."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from srft_assets.sandbox import Limits, Sandbox, SandboxError, sandbox_status
from srft_assets.sandbox.bubblewrap import BubblewrapSandbox

LIMITS = Limits(wall_seconds=20, memory_mb=300, file_mb=4, processes=48)
SLEEP = "86501"


@pytest.fixture
def inside(sandbox: Sandbox, workdir: Path) -> Iterator[Sandbox]:
    """A sandbox entered with a folder of one file."""
    (workdir / "given").write_text("as it was\n")
    with sandbox.entered(workdir, LIMITS) as entered:
        yield entered


def test_commands_follow_one_another_on_a_copy(inside: Sandbox, workdir: Path) -> None:
    done = inside.run("cat given; pwd; echo new > given; touch /tmp/x; exit 3", workdir=workdir)
    assert (done.returncode, done.output) == (3, "as it was\n/testbed\n")
    assert inside.run("cat given; ls /tmp", workdir=workdir).output == "new\nx\n"
    assert (workdir / "given").read_text() == "as it was\n"


def test_each_command_has_its_variables_and_a_shell_of_its_own(
    inside: Sandbox, workdir: Path
) -> None:
    odd = "a 'b' \"c\" $d\n;exit 5"
    done = inside.run('cd /tmp; x=1; printf %s "$ODD"', workdir=workdir, env={"ODD": odd})
    assert (done.returncode, done.output) == (0, odd)
    assert inside.run('pwd; echo "$x$ODD"', workdir=workdir).output == "/testbed\n\n"


def test_a_copy_has_times_modes_and_links(sandbox: Sandbox, workdir: Path) -> None:
    (workdir / "run.sh").write_text("echo ran\n")
    (workdir / "run.sh").chmod(0o755)
    (workdir / "link").symlink_to("run.sh")
    os.utime(workdir / "run.sh", ns=(10**18, 10**18 + 123_456_789))
    with sandbox.entered(workdir) as inside:
        done = inside.run("./link; stat -L -c %y link; readlink link", workdir=workdir)
    assert done.output == "ran\n2001-09-09 01:46:40.123456789 +0000\nrun.sh\n"


def test_a_folder_that_cannot_all_be_read_is_not_entered(
    sandbox: Sandbox, workdir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What tar leaves out would be missing in the sandbox, and nobody would know."""
    (workdir / "given").write_text("as it was")
    tar = tmp_path / "tar"
    tar.write_text('#!/bin/sh\n/bin/tar "$@"\necho "tar: ./given: Permission denied" >&2; exit 2\n')
    tar.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(SandboxError, match="given: Permission denied"), sandbox.entered(workdir):
        pass


HOSTILE = {
    "leaves processes": f"setsid nohup sleep {SLEEP} & sleep {SLEEP} & true",
    "kills all it can name": "kill -9 1; kill -9 $PPID; kill -9 -1",
    "stops all it can name": "kill -STOP 1; kill -STOP $PPID; true",
    "closes its folder": "chmod 000 .",
    "removes its folder": "rm -rf /testbed /tmp",
    "nests folders": "for i in $(seq 3000); do mkdir d && cd d || break; done",
    "writes to the agent": "for fd in /proc/1/fd/*; do echo x > $fd; done 2>/dev/null; true",
    "never ends": f"trap '' TERM HUP; while :; do sleep {SLEEP}; done",
    "forks without end": f"f() {{ f | f & sleep {SLEEP}; }}; f; wait",
    "fills the memory": "python -c 'x = [bytearray(1 << 20) for _ in range(9999)]'",
}


@pytest.mark.parametrize("command", HOSTILE.values(), ids=HOSTILE.keys())
def test_whatever_a_command_does_the_next_has_a_result(
    inside: Sandbox, workdir: Path, command: str
) -> None:
    short = LIMITS.model_copy(update={"wall_seconds": 2})
    done = inside.run(command, workdir=workdir, limits=short)
    assert done.timed_out == (done.returncode == -1)
    again = inside.run("echo as before", workdir=workdir, limits=short)
    if command != HOSTILE["writes to the agent"]:
        assert (again.returncode, again.output) == (0, "as before\n")
    assert not [p for p in psutil.process_iter(["cmdline"]) if SLEEP in (p.info["cmdline"] or [])]


def test_the_disk_of_a_run_is_bounded_over_its_commands(inside: Sandbox, workdir: Path) -> None:
    """64 MB are promised, and each command alone stays below."""
    held = [
        inside.run(
            f"for i in $(seq 5); do head -c 4000000 /dev/zero > {n}-$i; done", workdir=workdir
        )
        for n in range(5)
    ]
    assert "No space left" in held[-1].output and held[0].returncode == 0
    size = inside.run("du -sm . | cut -f1", workdir=workdir)
    assert int(size.output) <= 64


def test_unlinked_files_and_paths_beyond_PATH_MAX_count(inside: Sandbox, workdir: Path) -> None:
    code = (
        "import os\n"
        "for n in range(30):\n"
        "    os.mkdir('n' * 200); os.chdir('n' * 200)\n"
        "kept = []\n"
        "for n in range(40):\n"
        "    kept.append(open('f', 'wb', buffering=0)); os.unlink('f')\n"
        "    kept[-1].write(b'x' * 4000000)\n"
    )
    done = inside.run(f'python -c "{code}"', workdir=workdir)
    assert "No space left on device" in done.output


def test_memory_of_a_run_is_bounded_over_its_commands(inside: Sandbox, workdir: Path) -> None:
    if "memory kept" not in sandbox_status():
        pytest.skip(sandbox_status())
    fill = "for i in $(seq 70); do head -c 4000000 /dev/zero > {}/$i || exit; done"
    assert inside.run(fill.format("/tmp"), workdir=workdir).returncode == 0
    assert inside.run(fill.format("/dev/shm"), workdir=workdir).returncode == 0
    done = inside.run("python -c 'x = bytearray(100 << 20); print(len(x))'", workdir=workdir)
    assert done.output.endswith("[killed: more than 600 MB of memory]\n"), done


def test_a_sandbox_that_has_ended_gives_results(
    inside: Sandbox, workdir: Path, sandbox: Sandbox
) -> None:
    """It can only be ended from outside, as by the kernel when the machine has no memory left."""
    [monitor] = [p for p in psutil.Process().children() if "--as-pid-1" in p.cmdline()]
    monitor.send_signal(signal.SIGKILL)
    for _ in range(2):
        done = inside.run("echo on", workdir=workdir)
        assert done.returncode == 137 and "the sandbox of this run has ended" in done.output


def test_what_cannot_begin_is_the_sandbox_own_failure(workdir: Path, sandbox: Sandbox) -> None:
    for box, folder in (
        (BubblewrapSandbox(workdir / "absent"), workdir),
        (sandbox, workdir / "absent"),
    ):
        with pytest.raises(SandboxError, match="did not start"), box.entered(folder):
            raise AssertionError("it was entered")


def test_an_agent_that_does_not_listen_is_ended(inside: Sandbox, workdir: Path) -> None:
    """A command that forges its own end still runs while the next is sent."""
    short = LIMITS.model_copy(update={"wall_seconds": 2})
    forged = f"for fd in /proc/1/fd/*; do echo 0 > $fd; done 2>/dev/null; sleep {SLEEP}"
    assert inside.run(forged, workdir=workdir, limits=short).returncode == 0
    done = inside.run(f": {'x' * 120_000}", workdir=workdir, limits=short)
    assert (done.returncode, done.stopped) == (137, "the sandbox of this run has ended")
    assert inside.run("true", workdir=workdir, limits=short).stopped == done.stopped


def test_an_interrupt_ends_the_command_alone(inside: Sandbox, workdir: Path) -> None:
    assert inside.run("kill -INT $$; sleep 5", workdir=workdir).returncode == 130
    assert inside.run("kill -INT 1; echo there", workdir=workdir).output == "there\n"
