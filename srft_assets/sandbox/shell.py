"""What every sandbox ends in: a shell with an environment and limits of its own, and a Python; and
what commands may ask of the kernel: a filter of system calls, and no keys of ours.
"""

import ctypes
import errno
import os
import platform
import re
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from srft_assets.errors import UsageError
from srft_assets.sandbox.model import Limits

COUNTS_BY_NAMESPACE = (5, 14)
"""Since this kernel RLIMIT_NPROC counts the processes of one user namespace only."""
SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
FIXED = {
    "HOME": "/tmp",
    "LANG": "C.UTF-8",
    "TZ": "UTC",
    "TERM": "dumb",
    "PAGER": "cat",
    "GIT_PAGER": "cat",
    "GIT_TERMINAL_PROMPT": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONHASHSEED": "0",
}
ALLOWED = Path(__file__).with_name("syscalls.txt")
NEW_NAMESPACES = 0x7E02_0000
"""Flags of clone (linux/sched.h: CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET).
clone3 keeps its flags where no filter sees them: glibc then takes clone."""
PERSONALITIES = (0, 8, 0x2_0000, 0x2_0008, 0xFFFF_FFFF)
"""Linux, Linux32, either with the old names of the kernel, and the question which it is."""
FAMILIES = (1, 2, 10, 16)
"""Of sockets: AF_UNIX, AF_INET, AF_INET6 and AF_NETLINK. Others (AF_VSOCK, AF_PACKET, AF_ALG, …)
lead out of the namespaces or into seldom-used code of the kernel."""
JOIN_SESSION_KEYRING = 1
KEYCTL = {"x86_64": 250, "aarch64": 219}
_joined = threading.local()


@cache
def base_interpreter() -> tuple[Path, Path]:
    """Prefix and program of the Python that this process runs on, outside any venv."""
    prefix = Path(sys.base_prefix)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for name in (version, "python3", "python"):
        program = prefix / "bin" / name
        if program.exists():
            return prefix, program
    return prefix, Path(sys.executable).resolve()


def environment(programs: Sequence[Path], extra: Mapping[str, str] = {}) -> dict[str, str]:
    """The fixed variables, `programs` first on PATH, then `extra`, which wins.

    Raises UsageError for names or values that no environment can hold.
    """
    for name, value in extra.items():
        if not name or "=" in name or "\0" in name + value:
            raise UsageError(f"bad environment variable {name!r}: no '=' or NUL may be in it")
    path = ":".join([*map(str, programs), SYSTEM_PATH])
    return {**FIXED, "PATH": path, **extra}


def shell_argv(command: str, limits: Limits, *, own_namespace: bool) -> list[str]:
    """`bash -c command` under `ulimit`; the command is an argument, never part of the script."""
    script = f'{bounds_script(limits, own_namespace)}exec /bin/bash -c "$1"'
    return ["/bin/bash", "-c", script, "bash", command]


def bounds_script(limits: Limits, own_namespace: bool) -> str:
    """The `ulimit` commands that bound a shell, and what it starts.

    `own_namespace` says that processes are counted within the sandbox. Elsewhere the limit
    would count every process of the user, and is left to the cgroup and the watch.
    """
    bounds = [
        ("-c", 0),
        ("-t", max(1, limits.cpu_seconds)),
        ("-v", limits.memory_mb * 1024),
        ("-f", limits.file_mb * 1024),
    ]
    if own_namespace and _kernel() >= COUNTS_BY_NAMESPACE:
        bounds.append(("-u", limits.processes))
    # ulimit fails only where the bound in force is tighter already.
    return "".join(f"ulimit {flag} {value} 2>/dev/null; " for flag, value in bounds)


def rlimit_counts() -> bool:
    """Whether RLIMIT_NPROC binds in a user namespace of this process.

    Linux excepts the real user root of the first user namespace (`copy_process` in kernel/fork.c).
    A nested namespace that maps to a 0 is taken for that user, to be safe. A sandbox of root that
    maps to another user would be bound, but could not write to root's folders.
    """
    if _kernel() < COUNTS_BY_NAMESPACE:
        return False
    for line in Path("/proc/self/uid_map").read_text().splitlines():
        inside, outside, count = (int(word) for word in line.split())
        if inside <= os.getuid() < inside + count:
            return os.getuid() - inside + outside != 0
    return False


def _kernel() -> tuple[int, int]:
    found = re.match(r"(\d+)\.(\d+)", os.uname().release)
    return (int(found[1]), int(found[2])) if found else (0, 0)


@cache
def filter_program() -> bytes:
    """The filter as `bwrap --seccomp` takes it; empty where libseccomp is not on this machine.

    System calls of another architecture, such as those of 32-bit programs, end the process.
    """
    try:
        import pyseccomp
    except (ImportError, RuntimeError):
        return b""
    # Programs know what to do where a kernel is too old for a call.
    made = pyseccomp.SyscallFilter(pyseccomp.ERRNO(errno.ENOSYS))
    allow, unknown = pyseccomp.ALLOW, pyseccomp.ERRNO(errno.EAFNOSUPPORT)
    for line in ALLOWED.read_text(encoding="utf-8").splitlines():
        for name in [] if line.startswith("#") else line.split():
            with suppress(OSError, ValueError):  # This kernel or architecture has no such call.
                made.add_rule(allow, name)
    made.add_rule(allow, "clone", pyseccomp.Arg(0, pyseccomp.MASKED_EQ, NEW_NAMESPACES, 0))
    for number in PERSONALITIES:
        made.add_rule(allow, "personality", pyseccomp.Arg(0, pyseccomp.EQ, number))
    for number in range(FAMILIES[-1] + 1):
        told = allow if number in FAMILIES else unknown
        made.add_rule(told, "socket", pyseccomp.Arg(0, pyseccomp.EQ, number))
    made.add_rule(unknown, "socket", pyseccomp.Arg(0, pyseccomp.GT, FAMILIES[-1]))
    with tempfile.TemporaryFile() as file:
        made.export_bpf(file)
        file.seek(0)
        return file.read()


@contextmanager
def filter_handle() -> Iterator[list[int]]:
    """A handle from which the filter can be read once; none where there is no filter."""
    program = filter_program()
    if not program:
        yield []
        return
    handle = os.memfd_create("seccomp")
    try:
        os.write(handle, program)
        os.lseek(handle, 0, os.SEEK_SET)
        yield [handle]
    finally:
        os.close(handle)


def leave_session_keyring() -> None:
    """Give this thread a session keyring of its own, which commands that it starts inherit.

    The keys that the user's session holds are in the old one. Only once a thread; where the kernel
    has no keyrings, or denies them, there is nothing to leave.
    """
    number = KEYCTL.get(platform.machine())
    if number and not getattr(_joined, "done", False):
        ctypes.CDLL(None).syscall(number, JOIN_SESSION_KEYRING, None)
        _joined.done = True
