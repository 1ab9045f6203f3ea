"""What commands may ask of the kernel: a filter of system calls, and no keys of ours."""

import ctypes
import errno
import os
import platform
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

DENIED = (
    *("add_key", "keyctl", "request_key"),
    *("bpf", "perf_event_open", "userfaultfd"),
    *("io_uring_setup", "io_uring_enter", "io_uring_register"),
    *("mount", "umount2", "pivot_root", "move_mount", "open_tree", "mount_setattr"),
    *("fsopen", "fsconfig", "fsmount", "fspick", "setns", "unshare", "quotactl", "quotactl_fd"),
    *("name_to_handle_at", "open_by_handle_at", "fanotify_init"),
    *("process_vm_readv", "process_vm_writev", "kcmp", "pidfd_getfd", "process_madvise"),
    *("init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", "reboot"),
    *("acct", "swapon", "swapoff", "syslog", "vhangup", "ioperm", "iopl"),
    *("clock_settime", "clock_adjtime", "settimeofday", "adjtimex", "lookup_dcookie", "uselib"),
    *("migrate_pages", "move_pages", "nfsservctl", "sysfs", "ustat"),
)
"""Those that Docker's default profile keeps from a container without capabilities, and what reads
the memory of other processes."""
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
    made = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
    refused = pyseccomp.ERRNO(errno.EPERM)
    for name in DENIED:
        try:
            made.add_rule(refused, name)
        except OSError:
            continue  # This kernel or architecture has no such call.
    unknown = pyseccomp.ERRNO(errno.EAFNOSUPPORT)
    for number in {*range(FAMILIES[-1])} - {*FAMILIES}:
        made.add_rule(unknown, "socket", pyseccomp.Arg(0, pyseccomp.EQ, number))
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
