"""A run's repository: in memory as long as that is exact, in the sandbox from then on."""

from dataclasses import dataclass, field
from typing import Any

from srft_assets.agent.prompts import SUBMIT
from srft_assets.experiment.grammar import NotPlainError
from srft_assets.experiment.memory import Memory, failures, tested_module
from srft_assets.experiment.working import WorkingCopy
from srft_assets.lab.git_objects import git_diff
from srft_assets.lab.tasks import HIDDEN
from srft_assets.outcomes.local import grade_patch
from srft_assets.outcomes.model import Status
from srft_assets.outcomes.task import TaskInstance
from srft_assets.sandbox.model import Sandbox

HIDDEN_LINE = "+"
"""What begins the lines of a file that a patch adds."""


@dataclass
class Repository:
    """Answers commands as `SandboxEnvironment` does; `submission` is set when the run submits.

    A command that memory does not know is run in a working copy. Where that left anything behind,
    the run stays there. `close` it in the end.
    """

    task: TaskInstance
    sandbox: Sandbox
    seconds: float = 20.0
    submission: str | None = None
    memory: Memory = field(init=False)
    copy: "WorkingCopy | None" = None

    def __post_init__(self) -> None:
        self.memory = Memory.of(self.task)

    @property
    def strayed(self) -> bool:
        """Whether the sandbox left something that memory does not hold."""
        return self.copy is not None and self.copy.strayed

    def execute(self, command: str) -> dict[str, Any]:
        """Output, return code and exception information; none after a submission."""
        if not self.strayed:
            if command == SUBMIT:
                self.submission = git_diff(self.task.files, self.memory.files)
                return {}
            printed = self.memory.run(command)
            if printed is not None:
                return {"output": printed[0], "returncode": printed[1], "exception_info": ""}
        if self.copy is None:
            self.copy = WorkingCopy(self.task, self.sandbox, self.seconds)
        output, self.submission = self.copy.execute(command, self.memory)
        return output

    def close(self) -> None:
        """Remove the working copy, if there is one."""
        if self.copy is not None:
            self.copy.close()


def grade(repository: Repository) -> tuple[Status, str]:
    """Outcome and reason as `outcomes.local.grade_patch` gives them, without running anything
    where the files settle it."""
    patch = repository.submission
    if not patch or not patch.strip():
        return Status.EMPTY_PATCH, ""
    if not repository.strayed:
        try:
            failed = _failed(repository.task, repository.memory)
        except NotPlainError:
            pass
        else:
            return (Status.UNRESOLVED if failed else Status.RESOLVED), ""
    task = repository.task
    outcome = grade_patch(task, patch, repository.sandbox, trajectory_id=task.instance_id)
    return outcome.status, outcome.reason


def _failed(task: TaskInstance, memory: Memory) -> bool:
    """Whether a visible or hidden test fails. Raises NotPlainError where that is not settled."""
    module, tests = tested_module(task.files)
    if set(memory.edited) - {module}:
        raise NotPlainError("more than the module was edited")
    source = memory.files[module]
    return any(
        failures(source, text, name)
        for text, name in ((task.files[tests], tests), (hidden_tests(task), HIDDEN))
    )


def hidden_tests(task: TaskInstance) -> str:
    """The file that the task's test patch adds. Raises NotPlainError for other patches."""
    head, _, body = task.test_patch.partition("\n@@ ")
    lines = body.splitlines(keepends=True)[1:]
    if f"+++ b/{HIDDEN}" not in head or not all(line.startswith(HIDDEN_LINE) for line in lines):
        raise NotPlainError("the test patch adds more than one file")
    return "".join(line[1:] for line in lines)
