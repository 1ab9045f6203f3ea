"""mini-swe-agent's environment protocol on top of our sandbox."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from srft_assets.sandbox.model import Completed, Limits, Sandbox

SUBMIT_MARK = "COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"

KEPT_CHARS = 256 * 1024
"""Of one command's output, in a run that may have hundreds of commands; models see less yet."""


class EnvironmentConfig(BaseModel):
    """Settings of the environment, as they are kept in the run file."""

    sandbox: str
    """Name of the sandbox that the commands ran in."""
    cwd: str = "/testbed"
    timeout: float = 30.0
    """Seconds for one command."""
    env: dict[str, str] = {
        "PAGER": "cat",
        "GIT_PAGER": "cat",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
    }


class SandboxEnvironment:
    """Runs every action in `workdir`, which the sandbox shows as `/testbed`.

    Implements `minisweagent.Environment` (2.4). Raises minisweagent's `Submitted` where the
    first line of a successful command's output is the submission mark.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        workdir: Path,
        *,
        timeout: float = 30.0,
        env: Mapping[str, str] | None = None,
        limits: Limits | None = None,
    ):
        """`env` is added to the variables; of `limits` time and output are set here."""
        self.config = EnvironmentConfig(sandbox=sandbox.name, timeout=timeout)
        self.config.env = {**self.config.env, **(env or {})}
        self._sandbox = sandbox
        self._workdir = workdir
        # a patch is output too, and must not be cut
        bounds = {"wall_seconds": timeout, "output_bytes": 8 * 1024 * 1024}
        self._limits = (limits or Limits()).model_copy(update=bounds)

    def execute(self, action: dict[str, Any], cwd: str = "") -> dict[str, Any]:
        """Run `action["command"]`; a failing or slow command is an output like any other."""
        done = self._sandbox.run(
            action.get("command", ""),
            workdir=self._workdir,
            limits=self._limits,
            env=self.config.env,
        )
        self._stop_when_submitted(done)
        return {
            "output": _cut(done.output),
            "returncode": done.returncode,
            "exception_info": self._exception_info(done),
        }

    def _exception_info(self, done: Completed) -> str:
        return f"The command timed out after {self.config.timeout:g} s" if done.timed_out else ""

    @staticmethod
    def _stop_when_submitted(done: Completed) -> None:
        lines = done.output.lstrip().splitlines(keepends=True)
        if done.returncode == 0 and lines and lines[0].strip() == SUBMIT_MARK:
            from minisweagent.exceptions import Submitted

            patch = "".join(lines[1:])
            extra = {"exit_status": "Submitted", "submission": patch}
            raise Submitted({"role": "exit", "content": patch, "extra": extra})

    def get_template_vars(self, **kwargs: Any) -> dict[str, Any]:
        """Variables for the prompts; the machine's own environment is not among them."""
        return {**self.config.model_dump(), **kwargs}

    def serialize(self) -> dict[str, Any]:
        """What the run file says of the environment."""
        kind = f"{type(self).__module__}.{type(self).__name__}"
        config = self.config.model_dump(mode="json")
        return {"info": {"config": {"environment": config, "environment_type": kind}}}


def _cut(output: str) -> str:
    """The output, or both ends of a long one."""
    surplus = len(output) - KEPT_CHARS
    if surplus <= 0:
        return output
    half = KEPT_CHARS // 2
    return f"{output[:half]}\n[... {surplus} characters cut ...]\n{output[-half:]}"
