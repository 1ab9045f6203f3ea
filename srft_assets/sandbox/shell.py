"""The shell that every sandbox ends in: resource limits of one process, then the command."""

import os
import re

from srft_assets.sandbox.model import Limits

COUNTS_BY_NAMESPACE = (5, 14)
"""Since this kernel RLIMIT_NPROC counts the processes of one user namespace only."""


def shell_argv(command: str, limits: Limits, *, own_namespace: bool) -> list[str]:
    """`bash -c command` under `ulimit`; the command is an argument, never part of the script.

    `own_namespace` says that processes are counted within the sandbox. Elsewhere the limit
    would count every process of the user, and is left to the watch.
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
    script = "".join(f"ulimit {flag} {value} 2>/dev/null; " for flag, value in bounds)
    return ["/bin/bash", "-c", f'{script}exec /bin/bash -c "$1"', "bash", command]


def _kernel() -> tuple[int, int]:
    found = re.match(r"(\d+)\.(\d+)", os.uname().release)
    return (int(found[1]), int(found[2])) if found else (0, 0)
