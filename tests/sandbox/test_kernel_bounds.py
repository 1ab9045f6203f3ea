"""What the kernel keeps: memory that no process has mapped, system calls, keys."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from srft_assets.sandbox import Limits, Sandbox, open_sandbox, sandbox_status
from srft_assets.sandbox.shell import KEYCTL, filter_program

SITE = Path(sysconfig.get_paths()["purelib"])
LIMITS = Limits(wall_seconds=20, memory_mb=150, file_mb=64, processes=32)
HELD = "print('held', flush=True); import time; time.sleep(0.5)"
"""A whole GB is held at the end."""
UNMAPPED = {
    "memfd": """
        import os
        handles = [os.memfd_create("x") for _ in range(20)]
        for handle in handles:
            for _ in range(50):
                os.write(handle, b"x" * (1 << 20))
    """,
    "SysV shared memory": """
        import ctypes
        libc = ctypes.CDLL(None)
        libc.shmat.restype = ctypes.c_void_p
        for _ in range(20):
            place = libc.shmat(libc.shmget(0, 50 << 20, 0o1600), None, 0)
            ctypes.memset(place, 1, 50 << 20)
            libc.shmdt(ctypes.c_void_p(place))
    """,
    "socket buffers": """
        import os, socket
        for _ in range(8):
            if os.fork() == 0:
                break
        pairs = [socket.socketpair() for _ in range(480)]
        for one, other in pairs:
            for end in (one, other):
                end.setblocking(False)
                try:
                    while True:
                        end.send(b"x" * 65536)
                except BlockingIOError:
                    pass
    """,
    "files in /tmp": """
        import itertools
        for number in itertools.count():
            with open(f"/tmp/{number}", "wb") as file:
                for _ in range(50):
                    file.write(b"x" * (1 << 20))
    """,
}


@pytest.fixture
def kept(sandbox: Sandbox) -> Sandbox:
    """A sandbox whose memory the kernel bounds; where it does not, `srft doctor` says so."""
    if "memory kept" not in sandbox_status():
        assert "memory only watched" in sandbox_status()
        pytest.skip(sandbox_status())
    return sandbox


@pytest.mark.parametrize("code", UNMAPPED.values(), ids=UNMAPPED.keys())
def test_memory_that_no_process_has_mapped_counts(kept: Sandbox, workdir: Path, code: str) -> None:
    lines = [line.removeprefix(" " * 8) for line in code.strip("\n").splitlines()]
    (workdir / "hold.py").write_text("\n".join([*lines, HELD]))
    done = kept.run("python hold.py & wait; sleep 1", workdir=workdir, limits=LIMITS)
    full = code == UNMAPPED["files in /tmp"] and "No space left" in done.output
    assert full or done.output.endswith("[killed: more than 300 MB of memory]\n"), done
    assert "held" not in done.output


CALLS = {
    "io_uring": {"x86_64": 425, "aarch64": 425},
    "userfaultfd": {"x86_64": 323, "aarch64": 282},
    "bpf": {"x86_64": 321, "aarch64": 280},
    "perf": {"x86_64": 298, "aarch64": 241},
    "keyctl": {"x86_64": 250, "aarch64": 219},
    "memory that a cgroup does not see": {"x86_64": 447, "aarch64": 447},
    "placement of memory": {"x86_64": 239, "aarch64": 236},
    "descriptors of segments": {"x86_64": 154},
    "clone3": {"x86_64": 435, "aarch64": 435},
}
"""Numbers of system calls, by machine."""


@pytest.fixture
def filtered(sandbox: Sandbox) -> Sandbox:
    """A sandbox with a filter of system calls; where there is none, `srft doctor` says so."""
    if not filter_program():
        assert "system calls not filtered" in sandbox_status()
        pytest.skip(sandbox_status())
    return sandbox


@pytest.mark.parametrize("name", CALLS)
def test_system_calls_that_no_test_needs_are_refused(
    filtered: Sandbox, workdir: Path, name: str
) -> None:
    number = CALLS[name].get(os.uname().machine)
    if number is None:
        pytest.skip(f"number unknown on {os.uname().machine}")
    code = (
        "import ctypes, os; libc = ctypes.CDLL(None, use_errno=True); "
        f"print(libc.syscall({number}, 0, 0, 0, 0, 0), os.strerror(ctypes.get_errno()))"
    )
    done = filtered.run(f'python -c "{code}"', workdir=workdir)
    assert done.output == "-1 Function not implemented\n"


@pytest.mark.parametrize("family", [3, 17, 38, 40, (1 << 32) + 40])
def test_sockets_of_other_families_are_refused(
    filtered: Sandbox, workdir: Path, family: int
) -> None:
    """AX.25, packets, the kernel's ciphers, and AF_VSOCK, which reaches the host of a machine."""
    code = (
        "import ctypes, os; libc = ctypes.CDLL(None, use_errno=True); "
        f"print(libc.socket(ctypes.c_long({family}), 1, 0), os.strerror(ctypes.get_errno()))"
    )
    done = filtered.run(f'python -c "{code}"', workdir=workdir)
    assert done.output == "-1 Address family not supported by protocol\n"


def test_what_programs_need_is_allowed(filtered: Sandbox, workdir: Path) -> None:
    code = (
        "import asyncio, mmap, multiprocessing, socket, subprocess, threading\n"
        "asyncio.run(asyncio.sleep(0)); socket.socketpair(); socket.socket()\n"
        "subprocess.run(['git', '--version'], check=True)\n"
        "with multiprocessing.Pool(2) as pool: print(pool.map(abs, [-1, 2]))\n"
    )
    (workdir / "needs.py").write_text(code)
    done = filtered.run("python needs.py", workdir=workdir)
    assert done.output.endswith("[1, 2]\n") and done.returncode == 0, done.output


PROGRAMS = {
    "git": "git init -q . && git add -A && git -c user.name=a -c user.email=a@b commit -qm a && "
    "git log --format=%s && git gc -q && git clone -q . /tmp/other",
    "gcc": "echo 'int main(void) { return 0; }' > a.c && gcc -pthread -o a a.c && ./a && echo a",
    "node": 'node -e \'new (require("worker_threads").Worker)("console.log(1)", '
    '{eval: true}).on("exit", () => console.log("a"))\'',
    "python3": "python -m venv --without-pip v && v/bin/python -c 'print(\"a\")'",
    "pytest": f"PYTHONPATH={SITE} python -m pytest -p no:cacheprovider test_a.py && echo a",
    "make": "printf 'a:\\n\\techo a\\n' > Makefile && make -s -j2 a",
}
"""What prints a line `a` at its end."""


@pytest.mark.parametrize("program", PROGRAMS)
def test_programs_of_developers_run(filtered: Sandbox, workdir: Path, program: str) -> None:
    if not Path("/usr/bin", program).exists() and program not in ("python3", "pytest"):
        pytest.skip(f"no {program} on this machine")
    (workdir / "test_a.py").write_text("def test_a(tmp_path):\n    (tmp_path / 'x').touch()\n")
    shown = open_sandbox(readonly=[SITE])
    limits = Limits(wall_seconds=120, memory_mb=16_384)  # node reserves addresses
    done = shown.run(PROGRAMS[program], workdir=workdir, limits=limits)
    assert done.returncode == 0 and "a" in done.output.split(), done.output


KEYS = """
import ctypes, os, sys
from pathlib import Path
from srft_assets.sandbox import open_sandbox
libc = ctypes.CDLL(None, use_errno=True)
add_key, keyctl = {number} - 2, {number}
libc.syscall(keyctl, 1, None)
key = libc.syscall(add_key, b"user", b"srft-secret", b"hunter2", 7, ctypes.c_long(-3))
assert key > 0, os.strerror(ctypes.get_errno())
ask = f"import ctypes; print('read', ctypes.CDLL(None).syscall(keyctl, 11, {{key}}, None, 0))"
ask = ask.replace("keyctl", str(keyctl))
print(open_sandbox().run(f'cat /proc/keys; python -c "{{ask}}"', workdir=Path(sys.argv[1])).output)
"""


def test_keys_of_the_session_are_out_of_reach(sandbox: Sandbox, workdir: Path) -> None:
    number = KEYCTL.get(os.uname().machine)
    if number is None or not Path("/proc/keys").exists():
        pytest.skip("no keyrings on this machine")
    argv = [sys.executable, "-c", KEYS.format(number=number), str(workdir)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert "read -1" in done.stdout and "srft-secret" not in done.stdout
