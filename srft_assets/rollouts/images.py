"""Containers that mini-swe-agent starts from a task's image, and whose commands are bounded by
ours; Docker's, or those of a program that takes its words.
"""

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from srft_assets.agent.play import prepare_mini
from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.outcomes.task import TaskInstance
from srft_assets.sandbox import Completed, Limits, SandboxError
from srft_assets.sandbox.model import ShellSandbox
from srft_assets.sandbox.process import run_bounded
from srft_assets.warehouse.recipe import digest

CONTAINERS = ("docker", "podman")
"""Environments that are containers."""
IMAGE = re.compile(r"[a-z0-9][A-Za-z0-9._/:@-]{0,300}")
NAMED_BY = ("image", "image_name", "docker_image")
"""Fields of a row that may name its image."""
OFFICIAL = "docker.io/swebench/sweb.eval.x86_64.{}:latest"
EXEC_GRACE = 10.0
"""Seconds between the end of a command's time inside the container and outside."""
LIFETIME = "6h"
"""A container that nobody ended, since our process was killed, ends by itself."""
MEMORY_GB = 8
PROCESSES = 1024
LABEL = "srft.rollout"
ANSWER_SECONDS = 60.0
"""A daemon that takes longer for an answer is taken for one that does not answer."""


def image_of(task: TaskInstance) -> str:
    """The image a row names, else the official one of SWE-bench. Raises SrftError for no name."""
    extra = task.model_extra or {}
    stated = next((extra[name] for name in NAMED_BY if extra.get(name)), None)
    image = str(stated or OFFICIAL.format(task.instance_id.replace("__", "_1776_").lower()))
    if not IMAGE.fullmatch(image):
        raise SrftError(f"{task.instance_id}: no name of an image: {image[:80]!r}")
    return image


def run_arguments(owner: str, network: bool) -> list[str]:
    """Of `docker run`: no network unless it is allowed, no capabilities, bounded."""
    reach = [] if network else ["--network", "none"]
    bounds = ["--memory", f"{MEMORY_GB}g", "--pids-limit", str(PROCESSES)]
    powers = ["--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
    return ["--rm", "--init", "--label", f"{LABEL}={owner}", *reach, *bounds, *powers]


@dataclass(frozen=True, slots=True)
class ContainerSandbox(ShellSandbox):
    """Runs commands in one container, which outlives them; `workdir` is the container's own."""

    container: str
    image: str
    executable: str = "docker"
    cwd: str = "/testbed"

    @property
    def name(self) -> str:
        """What isolates the commands."""
        return f"{self.executable} {self.image}"

    def argv(self, command: str, seconds: float, env: Mapping[str, str]) -> list[str]:
        """`docker exec`; the command is one argument, and ends inside the container in time."""
        sets = [word for name, value in env.items() for word in ("-e", f"{name}={value}")]
        ended = ["timeout", "-k", "2", f"{seconds:g}"]
        return [
            *(self.executable, "exec", "-w", self.cwd, *sets, self.container),
            *(*ended, "bash", "-c", command),
        ]

    def _run(self, command: str, folder: Path, limits: Limits, env: Mapping[str, str]) -> Completed:
        """Raises SandboxError where Docker cannot be run, or the container runs no longer: what
        `docker exec` says then, with exit code 1, would pass for the command's own output.
        """
        seconds = limits.wall_seconds
        bounds = limits.model_copy(update={"wall_seconds": seconds + EXEC_GRACE})
        argv = self.argv(command, seconds, env)
        try:
            with tempfile.TemporaryDirectory(prefix="srft-docker-") as empty:
                done = run_bounded(argv, limits=bounds, workdir=Path(empty), env=os.environ)
        except OSError as error:
            raise SandboxError(f"{self.executable} cannot be run: {error}") from error
        if done.returncode and not self.is_there():
            said = " ".join(done.output.split())[-300:]
            raise SandboxError(
                f"container {self.container[:12]} of {self.image} runs no longer: {said}"
            )
        late = done.timed_out or (done.returncode in (124, 137) and done.seconds >= seconds)
        return Completed(-1 if late else done.returncode, done.output, late, done.seconds)

    def is_there(self) -> bool:
        """Whether commands can go on in it."""
        return is_running(self.container, self.executable)


@contextmanager
def container_of(
    task: TaskInstance, owner: str, network: bool, executable: str = "docker"
) -> Iterator[ContainerSandbox]:
    """A container of the task's image, gone afterwards; `owner`: see `owner_of`.

    Raises SandboxError.
    """
    prepare_mini()
    from minisweagent.environments.docker import DockerEnvironment

    image = image_of(task)
    given: dict[str, Any] = {} if executable == "docker" else {"executable": executable}
    try:
        held = DockerEnvironment(
            image=image,
            cwd="/testbed",
            run_args=run_arguments(owner, network),
            container_timeout=LIFETIME,
            **given,
        )
    except subprocess.SubprocessError as error:
        said = str(getattr(error, "stderr", "") or error).strip().splitlines() or ["no message"]
        raise SandboxError(f"no container of {image}: {said[-1][:300]}") from error
    except OSError as error:
        raise SandboxError(f"{executable} cannot be run: {error}") from error
    container, executable = held.container_id or "", held.config.executable
    # Ours ends it at once; mini-swe-agent would do so in the background, some time later.
    held.container_id = None
    try:
        yield ContainerSandbox(container, image, executable)
    finally:
        remove([container], executable)


def owner_of(home: Home, batch: str) -> str:
    """The label's value. Platforms that share a daemon may have batches of the same name."""
    return f"{batch}-{digest(str(home.root.resolve()))[:12]}"


def remove(
    containers: Sequence[str], executable: str = "docker", seconds: float = ANSWER_SECONDS
) -> None:
    """End containers and all that runs in them; those gone already are no failure.

    Nor is a daemon that does not answer: the runs are kept, and what is left ends by itself.
    """
    if containers:
        _asked([executable, "rm", "--force", *containers], seconds)


def left_by(owner: str, executable: str = "docker", seconds: float = ANSWER_SECONDS) -> list[str]:
    """Containers of a batch, such as a killed process left; none where Docker cannot be asked."""
    argv = [executable, "ps", "--all", "--quiet", "--filter", f"label={LABEL}={owner}"]
    return (_asked(argv, seconds) or "").split()


def is_running(container: str, executable: str = "docker", seconds: float = ANSWER_SECONDS) -> bool:
    """Whether commands can go on in the container; not where the daemon does not answer."""
    argv = [executable, "container", "inspect", "--format", "{{.State.Running}}", container]
    return (_asked(argv, seconds) or "").strip() == "true"


def _asked(argv: Sequence[str], seconds: float) -> str | None:
    """What Docker printed; None where it cannot be run, or does not answer in time."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=seconds)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout
