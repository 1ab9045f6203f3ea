"""What every sandbox ends in: a shell with an environment and limits of its own, and a Python."""

import os
import re
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from srft_assets.errors import UsageError
from srft_assets.sandbox.model import Completed, Limits

COUNTS_BY_NAMESPACE = (5, 14)
"""Since this kernel RLIMIT_NPROC counts the processes of one user namespace only."""
MAX_ARGUMENT = 32 * os.sysconf("SC_PAGE_SIZE")
"""Linux' MAX_ARG_STRLEN: one argument and its closing NUL, in bytes."""
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


def environment(programs: Sequence[Path], extra: Mapping[str, str] | None) -> dict[str, str]:
    """The fixed variables, `programs` first on PATH, then `extra`, which wins.

    Raises UsageError for names or values that no environment can hold.
    """
    for name, value in (extra or {}).items():
        if not name or "=" in name or "\0" in name + value:
            raise UsageError(f"bad environment variable {name!r}: no '=' or NUL may be in it")
    path = ":".join([*map(str, programs), SYSTEM_PATH])
    return {**FIXED, "PATH": path, **(extra or {})}


def refusal(command: str) -> Completed | None:
    """The result of a command that no shell can be given; a model can say such ones."""
    try:
        size = len(os.fsencode(command))
    except UnicodeEncodeError:
        return _refused(127, "a command cannot hold half a surrogate pair")
    if "\0" in command:
        return _refused(127, "a command cannot hold a NUL byte")
    if size >= MAX_ARGUMENT:
        return _refused(126, f"a command of {size} bytes is too long: write to a file in parts")
    return None


def _refused(returncode: int, reason: str) -> Completed:
    return Completed(returncode, f"bash: {reason}\n", timed_out=False, seconds=0.0)


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
