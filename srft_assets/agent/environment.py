"""Where an agent works: a task's repository under git, and commands that run in our sandbox."""

import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import BaseModel

from srft_assets.agent.protocol import SUBMIT_MARK
from srft_assets.errors import SrftError
from srft_assets.outcomes.task import TaskInstance
from srft_assets.sandbox.model import Limits, Sandbox

KEPT_CHARS = 256 * 1024
"""Of one command's output; a run may have hundreds of commands, and models are shown less yet."""
PATCH_BYTES = 8 * 1024 * 1024
"""Of one command's output that are read: a patch is output too, and must not be cut."""

GIT_ENV = {
    "GIT_AUTHOR_NAME": "lab",
    "GIT_AUTHOR_EMAIL": "lab@localhost",
    "GIT_AUTHOR_DATE": "2025-01-01T00:00:00 +0000",
    "GIT_COMMITTER_NAME": "lab",
    "GIT_COMMITTER_EMAIL": "lab@localhost",
    "GIT_COMMITTER_DATE": "2025-01-01T00:00:00 +0000",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
}
"""Nothing of the user's own git decides what the commit looks like."""

_COMMIT = " && ".join(
    (
        "git init -q -b main --template= .",
        "mkdir -p .git/info",
        "printf '__pycache__/\\n*.pyc\\n' > .git/info/exclude",
        "git -c core.autocrlf=false add -A",
        "git -c commit.gpgsign=false commit -q -m base",
    )
)


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
        bounds = {"wall_seconds": timeout, "output_bytes": PATCH_BYTES}
        self._limits = (limits or Limits()).model_copy(update=bounds)

    def execute(self, action: dict[str, Any], cwd: str = "") -> dict[str, Any]:
        """Run `action["command"]`; a failing or slow command is an output like any other."""
        done = self._sandbox.run(
            action.get("command", ""),
            workdir=self._workdir,
            limits=self._limits,
            env=self.config.env,
        )
        lines = done.output.lstrip().splitlines(keepends=True)
        if done.returncode == 0 and lines and lines[0].strip() == SUBMIT_MARK:
            from minisweagent.exceptions import Submitted

            patch = "".join(lines[1:])
            extra = {"exit_status": "Submitted", "submission": patch}
            raise Submitted({"role": "exit", "content": patch, "extra": extra})
        late = f"The command timed out after {self.config.timeout:g} s" if done.timed_out else ""
        return {
            "output": _both_ends(done.output),
            "returncode": done.returncode,
            "exception_info": late,
        }

    def get_template_vars(self, **kwargs: Any) -> dict[str, Any]:
        """Variables for the prompts; the machine's own environment is not among them."""
        return {**self.config.model_dump(), **kwargs}

    def serialize(self) -> dict[str, Any]:
        """What the run file says of the environment."""
        kind = f"{type(self).__module__}.{type(self).__name__}"
        config = self.config.model_dump(mode="json")
        return {"info": {"config": {"environment": config, "environment_type": kind}}}


def _both_ends(output: str) -> str:
    surplus = len(output) - KEPT_CHARS
    if surplus <= 0:
        return output
    half = KEPT_CHARS // 2
    return f"{output[:half]}\n[... {surplus} characters cut ...]\n{output[-half:]}"


@contextmanager
def working_copy(task: TaskInstance) -> Iterator[Path]:
    """A temporary clone of the task's repository at its base commit; gone afterwards.

    Raises SrftError where the task bears no files, or a path that leaves the repository.
    """
    if not task.files:
        raise SrftError(f"{task.instance_id}: the task bears no `files`, so it cannot be played")
    with tempfile.TemporaryDirectory(prefix="srft-run-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        for path, content in task.files.items():
            target = folder / _inside(path, task.instance_id)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(content, encoding="utf-8", newline="")
        done = subprocess.run(
            ["/bin/sh", "-c", _COMMIT],
            cwd=folder,
            env={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": name, **GIT_ENV},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SrftError(f"{task.instance_id}: git failed: {done.stderr.strip()[-200:]}")
        yield folder


def _inside(path: str, instance_id: str) -> PurePosixPath:
    parts = PurePosixPath(path)
    if parts.is_absolute() or not parts.parts or {"..", ".git"} & set(parts.parts):
        raise SrftError(f"{instance_id}: `files` names a path outside the repository: {path!r}")
    return parts
