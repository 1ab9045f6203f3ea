"""Commands without a sandbox, for those who said `--unsafe`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from srft_assets.sandbox.bounded import run_bounded
from srft_assets.sandbox.environment import environment
from srft_assets.sandbox.errors import SandboxError
from srft_assets.sandbox.interpreter import base_interpreter
from srft_assets.sandbox.model import Completed, Limits
from srft_assets.sandbox.shell import refusal, shell_argv
from srft_assets.sandbox.slots import any_slot


@dataclass
class UnsafeSandbox:
    """A plain subprocess of this user: bounded, with a cleared environment, but not confined.

    It sees the whole machine and the network, and the folder is not at /testbed.
    """

    name: str = "unsafe"

    def run(
        self,
        command: str,
        *,
        workdir: Path,
        limits: Limits | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Completed:
        """Run `bash -c command` in `workdir`. Raises SandboxError where it cannot start."""
        if refused := refusal(command):
            return refused
        limits = limits or Limits()
        _, program = base_interpreter()
        variables = environment([program.parent], env)
        argv = shell_argv(command, limits, own_namespace=False)
        try:
            with any_slot() as slot:
                return run_bounded(
                    argv, limits=limits, workdir=workdir, env=variables, slot=slot
                ).completed
        except (OSError, ValueError) as error:
            raise SandboxError(f"the command did not start: {error}") from error
