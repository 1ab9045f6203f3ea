"""Images played without a Docker daemon: in Apptainer, or on Modal, by mini-swe-agent's own
environments."""

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from srft_assets.agent.play import prepare_mini
from srft_assets.outcomes.task import TaskInstance
from srft_assets.rollouts.images import ContainerSandbox, image_of
from srft_assets.sandbox import SandboxError

APPTAINER = "apptainer"


@dataclass(frozen=True, slots=True)
class ApptainerSandbox(ContainerSandbox):
    """Runs commands in an unpacked image, `container`, which keeps what they write."""

    executable: str = APPTAINER
    network: bool = False

    def argv(self, command: str, seconds: float, env: Mapping[str, str]) -> list[str]:
        """`apptainer exec`; the command is one argument, and ends inside in time."""
        sets = [word for name, value in env.items() for word in ("--env", f"{name}={value}")]
        reach = [] if self.network else ["--net", "--network", "none"]
        return [
            *(self.executable, "--quiet", "exec", "--contain", "--cleanenv", "--fakeroot"),
            *(*reach, "--pwd", self.cwd, *sets, "--writable", self.container),
            *("timeout", "-k", "2", f"{seconds:g}", "bash", "-c", command),
        ]

    def is_there(self) -> bool:
        """Whether the unpacked image is there still."""
        return Path(self.container).is_dir()


@contextmanager
def unpacked(task: TaskInstance, network: bool) -> Iterator[ApptainerSandbox]:
    """The task's image, unpacked by mini-swe-agent, gone afterwards. Raises SandboxError."""
    prepare_mini()
    from minisweagent.environments.singularity import SingularityEnvironment

    image = image_of(task)
    try:
        held = SingularityEnvironment(
            image=f"docker://{image}", executable=APPTAINER, sandbox_build_retries=1
        )
    except subprocess.SubprocessError as error:
        said = getattr(error, "stderr", None) or str(error).encode()
        last = said.decode("utf-8", "replace").strip().splitlines() or ["no message"]
        raise SandboxError(f"{image} cannot be unpacked: {last[-1][:300]}") from error
    except OSError as error:
        raise SandboxError(f"{APPTAINER} cannot be run: {error}") from error
    try:
        yield ApptainerSandbox(str(held.sandbox_dir), image, network=network)
    finally:
        shutil.rmtree(held.sandbox_dir, ignore_errors=True)


@contextmanager
def on_modal(task: TaskInstance, seconds: float) -> Iterator[Any]:
    """mini-swe-agent's environment of the task's image on Modal. Raises SandboxError where it does
    not begin."""
    prepare_mini()
    from minisweagent.environments.extra.swerex_modal import SwerexModalEnvironment

    try:
        held = SwerexModalEnvironment(
            image=image_of(task), cwd="/testbed", timeout=max(1, round(seconds))
        )
    except Exception as error:  # whatever Modal's client raises: no run began
        raise SandboxError(f"Modal: {' '.join(str(error).split())[:300]}") from error
    try:
        yield held
    finally:
        held.stop()
