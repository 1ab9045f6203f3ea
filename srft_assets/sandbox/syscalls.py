"""What commands may ask of the kernel: a filter of system calls, and no keys of ours."""

import ctypes
import errno
import os
import platform
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

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
    for name in allowed_calls():
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


def allowed_calls() -> list[str]:
    """Names of `syscalls.txt`, in its order."""
    lines = ALLOWED.read_text(encoding="utf-8").splitlines()
    return [name for line in lines if not line.startswith("#") for name in line.split()]


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
