"""What the harness's containers may do, and how they end. Runs in the harness's own process.

swebench 5 has no setting for it: it creates containers through the docker package, with the
daemon's default network and SYS_ADMIN. So the calls it makes are replaced, in this process only.
"""

from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any

from srft_assets.outcomes.choice import Grading
from srft_assets.outcomes.harness.commands import exec_bounded, run_bounded

LABEL = "srft.grading"
"""Label of our containers; its value names the process that runs the harness."""
MARGIN_SECONDS = 900
"""A container whose harness was killed ends by itself so long after the tests' time."""
MAX_PROCESSES = 4096


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
