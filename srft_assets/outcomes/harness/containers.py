"""What the harness's containers may do, and how they end. Runs in the harness's own process.

swebench 5 has no setting for it: it creates containers through the docker package, with the
daemon's default network and SYS_ADMIN. So the calls it makes are replaced, in this process only.
"""

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any

from srft_assets.errors import SrftError
from srft_assets.outcomes.grader_choice import Grading
from srft_assets.sandbox.process import CutOutput

PING_SECONDS = 30
LABEL = "srft.grading"
"""Label of our containers; its value names the process that runs the harness."""
MARGIN_SECONDS = 900
"""A container whose harness was killed ends by itself so long after the tests' time."""
MAX_PROCESSES = 4096
MAX_HEAD_BYTES = 48 * 1024 * 1024
MAX_TAIL_BYTES = 1024 * 1024
"""Output that is kept of tests that print without end; the markers of its end are in the tail."""
MAX_OTHER_BYTES = 1024 * 1024
"""Of any other command. After the tests the harness asks for a diff of all that they wrote, which
can be more than this machine's memory, and logs it."""


def daemon() -> Any:
    """A client of the Docker daemon. Raises SrftError where none answers."""
    import docker

    try:
        client = docker.from_env(timeout=PING_SECONDS)
        client.ping()
    except docker.errors.DockerException as error:
        where = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
        reason = " ".join(str(error).split())[:200]
        raise SrftError(
            f"no Docker daemon answers at {where}: {reason}. Start it, set DOCKER_HOST, or "
            "grade with --grader local"
        ) from None
    return client


def isolate(grading: Grading, owner: str) -> None:
    """Replace, for this process, how swebench creates, lists and removes containers, and runs
    commands in them."""
    from docker.models.containers import Container, ContainerCollection
    from swebench.harness import run_evaluation as harness

    create: Callable[..., Any] = ContainerCollection.create
    listed: Callable[..., Any] = ContainerCollection.list
    stated = limits_of(grading) | {"labels": {LABEL: owner}}

    def create_isolated(self: Any, image: str, command: Any = None, **given: Any) -> Any:
        return create(self, image, **{**given, **stated})

    def list_present(self: Any, *args: Any, **given: Any) -> Any:
        # The default fails where another thread removes a container meanwhile.
        return listed(self, *args, **{**given, "ignore_removed": True})

    ContainerCollection.create = create_isolated
    ContainerCollection.list = list_present
    Container.exec_run = exec_bounded
    harness._docker_client = cache(harness._docker_client)
    harness.cleanup_container = remove
    harness.exec_run_with_timeout = run_bounded


def limits_of(grading: Grading) -> dict[str, Any]:
    """Arguments of `containers.create` that outrank those of the harness."""
    memory = int(grading.memory_gb * 1024**3)
    return {
        "command": ["sleep", str(grading.timeout + MARGIN_SECONDS)],
        "network_mode": "default" if grading.network else "none",
        "cap_add": ["SYS_ADMIN"] if grading.sys_admin else [],
        "cap_drop": ["NET_RAW", "MKNOD"],
        "security_opt": ["no-new-privileges"],
        "pids_limit": MAX_PROCESSES,
        "mem_limit": memory,
        "memswap_limit": memory,
    }


def remove(client: Any, container: Any, logger: Any) -> None:
    """End and remove a container at once; the harness asks kindly for 15 seconds first."""
    from docker.errors import DockerException

    if container is None:
        return
    try:
        container.remove(force=True)
    except (DockerException, OSError) as error:
        # The result stands, and `remove_left` finds what is left.
        print(f"container {container.name} was not removed: {error}")


def remove_left(client: Any, owner: str) -> None:
    """Remove all containers of a harness process; a daemon that does not answer keeps them."""
    from docker.errors import DockerException

    try:
        left = client.containers.list(all=True, filters={"label": f"{LABEL}={owner}"})
    except (DockerException, OSError) as error:
        print(f"containers of {owner} were not removed: {error}")
        return
    for container in left:
        with suppress(DockerException, OSError):
            container.remove(force=True)


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

    kept = CutOutput(MAX_HEAD_BYTES + MAX_TAIL_BYTES, tail=MAX_TAIL_BYTES)
    failed: list[Exception] = []

    def run() -> None:
        api = container.client.api
        try:
            for chunk in api.exec_start(api.exec_create(container.id, cmd)["Id"], stream=True):
                kept.feed(chunk)
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
