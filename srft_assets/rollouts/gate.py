"""A sandbox between many agents and few CPUs."""

import os
import threading
from collections.abc import Mapping
from pathlib import Path

from srft_assets.sandbox import Completed, Limits, Sandbox

NUL = Completed(127, "bash: a command cannot hold a NUL byte\n", timed_out=False, seconds=0.0)


class GatedSandbox:
    """Runs a few commands at a time, so that waiting for a CPU is no timeout.

    A NUL byte, which a byte-level model can say and no command can hold, is a failing command
    rather than a failing sandbox.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self.name = sandbox.name
        self._sandbox = sandbox
        self._gate = threading.Semaphore(2 * (os.cpu_count() or 1))

    def run(
        self,
        command: str,
        *,
        workdir: Path,
        limits: Limits | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Completed:
        """As the sandbox does, after waiting for a turn."""
        if "\0" in command:
            return NUL
        with self._gate:
            return self._sandbox.run(command, workdir=workdir, limits=limits, env=env)
