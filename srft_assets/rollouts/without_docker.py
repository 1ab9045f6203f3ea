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
MACHINE_SECONDS = 6 * 3600.0
"""How long a machine of Modal may be there: as long as a container."""


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
        box = ApptainerSandbox(str(held.sandbox_dir), image, network=network)
        tried = subprocess.run(
            box.argv("true", 60, {}), capture_output=True, text=True, check=False
        )
        if tried.returncode:
            said = " ".join(tried.stderr.split())[-300:]
            raise SandboxError(f"{APPTAINER} runs no command in {image}: {said}")
        yield box
    finally:
        shutil.rmtree(held.sandbox_dir, ignore_errors=True)


@contextmanager
def on_modal(task: TaskInstance, seconds: float) -> Iterator[Any]:
    """mini-swe-agent's environment of the task's image on Modal. Raises SandboxError where it does
    not begin."""
    prepare_mini()
    from minisweagent.environments.extra.swerex_modal import SwerexModalEnvironment

    class Machine(SwerexModalEnvironment):
        """Its loss is no output of the command."""

        def execute(self, *given: Any, **named: Any) -> dict[str, Any]:
            output: dict[str, Any] = super().execute(*given, **named)
            kind = (output.get("extra") or {}).get("exception_type")
            if kind and kind != "CommandTimeoutError":
                raise SandboxError(f"Modal: {kind}: {output['output'][:300]}")
            return output

    try:
        held = Machine(
            image=image_of(task),
            cwd="/testbed",
            timeout=max(1, round(seconds)),
            runtime_timeout=MACHINE_SECONDS,
            deployment_timeout=MACHINE_SECONDS,
        )
    except Exception as error:  # whatever Modal's client raises: no run began
        raise SandboxError(f"Modal: {' '.join(str(error).split())[:300]}") from error
    try:
        yield held
    finally:
        held.stop()
