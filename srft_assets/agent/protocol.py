"""mini-swe-agent's two protocols as we fill them: a model that speaks text, and an environment
whose commands run in our sandbox.

The text is that of `mini_textbased.yaml` (2.4): one block of `mswea_bash_command` a turn,
observations as `<returncode>` and `<output>`. The prompts are short, so that a run fits into the
context of a tiny model.
"""

import os
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import BaseModel

from srft_assets.errors import SrftError
from srft_assets.files import scratch
from srft_assets.outcomes.task import TaskInstance
from srft_assets.sandbox.model import Limits, Sandbox
from srft_assets.trajectories.model import Message

SUBMIT_MARK = "COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"
"""First line of the output of the command that ends a run; what follows is the patch."""

SUBMIT = f"echo {SUBMIT_MARK} && git add -A && git diff --cached"
"""The command that ends a run."""

SYSTEM = "Fix the bug. Reply with one ```mswea_bash_command block."

INSTANCE = "{{task}}\nWhen done: " + SUBMIT

OBSERVATION = """\
{% if output.exception_info %}<exception>{{output.exception_info}}</exception>
{% endif %}<returncode>{{output.returncode}}</returncode>
<output>
{% if output.output | length < 10000 %}{{output.output}}{% else %}{{output.output[:5000]}}
<elided_chars>{{output.output | length - 10000}}</elided_chars>
{{output.output[-5000:]}}{% endif %}</output>"""

FORMAT_ERROR = (
    "Format error: reply with EXACTLY ONE ```mswea_bash_command block, found {{actions|length}}."
)

ACTION = r"```mswea_bash_command\s*\n(.*?)\n```"
"""Regular expression of one action (dot matches newlines)."""

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


def turn(thought: str, command: str) -> str:
    """Text of an assistant turn in the protocol."""
    return f"{thought}\n\n```mswea_bash_command\n{command}\n```"


class _Described:
    """A part of a run, whose `config` the run file keeps below `part`."""

    part: str
    config: BaseModel

    def get_template_vars(self, **kwargs: Any) -> dict[str, Any]:
        """Variables for the prompts; the machine's own environment is not among them."""
        return {**self.config.model_dump(), **kwargs}

    def serialize(self) -> dict[str, Any]:
        """What the run file says of it."""
        kind = f"{type(self).__module__}.{type(self).__name__}"
        config = self.config.model_dump(mode="json")
        return {"info": {"config": {self.part: config, f"{self.part}_type": kind}}}


class TextModelConfig(BaseModel):
    """Settings of a text model."""

    model_name: str
    observation_template: str = OBSERVATION
    format_error_template: str = FORMAT_ERROR
    action_regex: str = ACTION


class TextModel(_Described, ABC):
    """Implements `minisweagent.Model` (2.4) with the text protocol; subclasses write `reply`."""

    part = "model"
    config: TextModelConfig

    def __init__(self, model_name: str):
        self.config = TextModelConfig(model_name=model_name)

    @abstractmethod
    def reply(self, messages: list[Message]) -> tuple[str, dict[str, Any]]:
        """The next assistant turn for a chat, and what to keep in its `extra`."""

    def query(self, messages: list[Message], **kwargs: Any) -> Message:
        """One assistant message. Raises minisweagent's FormatError without exactly one action."""
        from minisweagent.models.utils.actions_text import parse_regex_actions

        chat = [{"role": message["role"], "content": message["content"]} for message in messages]
        text, extra = self.reply(chat)
        reading = self.config.model_dump(include={"action_regex", "format_error_template"})
        actions = parse_regex_actions(text, **reading)
        kept = {"actions": actions, "cost": 0.0, "timestamp": time.time(), **extra}
        return {"role": "assistant", "content": text, "extra": kept}

    def format_message(self, **kwargs: Any) -> Message:
        """A message as this model wants it."""
        return kwargs

    def format_observation_messages(
        self,
        message: Message,
        outputs: list[dict[str, Any]],
        template_vars: dict[str, Any] | None = None,
    ) -> list[Message]:
        """User messages that answer the actions of `message`."""
        from minisweagent.models.utils.actions_text import format_observation_messages

        template = self.config.observation_template
        return format_observation_messages(
            outputs, observation_template=template, template_vars=template_vars
        )


class EnvironmentConfig(BaseModel):
    """Settings of the environment."""

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


class SandboxEnvironment(_Described):
    """Runs every action in `workdir`, which the sandbox shows as `/testbed`.

    Implements `minisweagent.Environment` (2.4). Raises minisweagent's `Submitted` where the
    first line of a successful command's output is the submission mark.
    """

    part = "environment"
    config: EnvironmentConfig

    def __init__(
        self,
        sandbox: Sandbox,
        workdir: Path,
        *,
        timeout: float,
        env: Mapping[str, str] = {},
        limits: Limits | None = None,
    ):
        """`env` is added to the variables; of `limits` time and output are set here."""
        self.config = EnvironmentConfig(sandbox=sandbox.name, timeout=timeout)
        self.config.env = {**self.config.env, **env}
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
        shown, surplus = done.output, len(done.output) - KEPT_CHARS
        if surplus > 0:
            half = KEPT_CHARS // 2
            shown = f"{shown[:half]}\n[... {surplus} characters cut ...]\n{shown[-half:]}"
        return {"output": shown, "returncode": done.returncode, "exception_info": late}


@contextmanager
def working_copy(task: TaskInstance) -> Iterator[Path]:
    """A temporary clone of the task's repository at its base commit; gone afterwards.

    Raises SrftError where the task bears no files, or a path that leaves the repository.
    """
    if not task.files:
        raise SrftError(f"{task.instance_id}: the task bears no `files`, so it cannot be played")
    with scratch("srft-run-") as folder:
        for path, content in task.files.items():
            inside = PurePosixPath(path)
            if inside.is_absolute() or not inside.parts or {"..", ".git"} & set(inside.parts):
                raise SrftError(
                    f"{task.instance_id}: `files` names a path outside the repository: {path!r}"
                )
            target = folder / inside
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(content, encoding="utf-8", newline="")
        done = subprocess.run(
            ["/bin/sh", "-c", _COMMIT],
            cwd=folder,
            env={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": str(folder), **GIT_ENV},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SrftError(f"{task.instance_id}: git failed: {done.stderr.strip()[-200:]}")
        yield folder
