"""Commands in the harness's containers, whose output may have no end."""

import threading
import time
from collections import deque
from typing import Any

from srft_assets.sandbox.output import CutOutput

MAX_HEAD_BYTES = 48 * 1024 * 1024
MAX_TAIL_BYTES = 1024 * 1024
"""Output that is kept of tests that print without end; the markers of its end are in the tail."""
MAX_OTHER_BYTES = 1024 * 1024
"""Of any other command. After the tests the harness asks for a diff of all that they wrote, which
can be more than this machine's memory, and logs it."""


def exec_bounded(
    container: Any, cmd: str | list[str], *, user: str = "", workdir: str | None = None
) -> Any:
    """`Container.exec_run` as the harness calls it: exit code and output, both ends of long ones.

    What is no UTF-8 becomes U+FFFD: the harness would take a diff of such a file for its failure.
    """
    from docker.models.containers import ExecResult

    api = container.client.api
    made = api.exec_create(container.id, cmd, user=user, workdir=workdir)["Id"]
    kept = CutOutput(MAX_OTHER_BYTES)
    for chunk in api.exec_start(made, stream=True):
        kept.feed(chunk)
    return ExecResult(api.exec_inspect(made)["ExitCode"], kept.text().encode())


def run_bounded(container: Any, cmd: str, timeout: float | None = 60) -> tuple[str, bool, float]:
    """The harness's `exec_run_with_timeout`: output, whether it timed out, seconds.

    Keeps both ends of long output. What runs on is ended with its container.
    """
    from docker.errors import DockerException

    kept = Ends()
    failed: list[Exception] = []

    def run() -> None:
        api = container.client.api
        try:
            for chunk in api.exec_start(api.exec_create(container.id, cmd)["Id"], stream=True):
                kept.add(chunk)
        except (DockerException, OSError) as error:
            failed.append(error)

    start = time.monotonic()
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(timeout)
    seconds = time.monotonic() - start
    if failed:
        raise failed[0]
    return kept.text(), thread.is_alive(), seconds


class Ends:
    """The head and the tail of a stream of bytes; how much lies between is told in the text."""

    def __init__(self) -> None:
        self.head = bytearray()
        self.tail: deque[bytes] = deque()
        self.tail_bytes = self.cut = 0

    def add(self, chunk: bytes) -> None:
        """Take the next piece."""
        if len(self.head) < MAX_HEAD_BYTES:
            self.head += chunk
            return
        self.tail.append(chunk)
        self.tail_bytes += len(chunk)
        while self.tail_bytes - len(self.tail[0]) >= MAX_TAIL_BYTES:
            gone = len(self.tail.popleft())
            self.tail_bytes -= gone
            self.cut += gone

    def text(self) -> str:
        """What was kept."""
        between = f"\n[... {self.cut} bytes cut ...]\n".encode() if self.cut else b""
        whole = bytes(self.head) + between + b"".join(tuple(self.tail))
        return whole.decode("utf-8", "replace")
