"""A sandbox between many agents and few CPUs."""

import os
import threading
from collections.abc import Mapping
from pathlib import Path

from srft_assets.sandbox import Completed, Limits, Sandbox


class GatedSandbox:
    """Runs a few commands at a time, so that waiting for a CPU is no timeout."""

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
        with self._gate:
            return self._sandbox.run(command, workdir=workdir, limits=limits, env=env)
