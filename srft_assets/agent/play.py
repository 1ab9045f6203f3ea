"""Play mini-swe-agent on one task and keep the run."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from srft_assets.agent import prompts
from srft_assets.agent.environment import SandboxEnvironment
from srft_assets.agent.mini import prepare_mini
from srft_assets.agent.readable import readable
from srft_assets.agent.working_copy import working_copy
from srft_assets.errors import SrftError
from srft_assets.outcomes.task import TaskInstance
from srft_assets.sandbox.model import Sandbox
from srft_assets.warehouse.placing import place

INSTANCE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")


@dataclass(frozen=True, slots=True)
class Told:
    """What the agent is told, and when its run ends; mini-swe-agent's templates and limits.

    Attributes:
        steps: model calls; 0 for no limit.
        cost: USD, after which no further call is made; 0 for no limit.
        seconds: wall time of the whole run; 0 for no limit.
    """

    system: str = prompts.SYSTEM
    instance: str = prompts.INSTANCE
    steps: int = 12
    cost: float = 0.0
    seconds: int = 0


def run_path(out: Path, instance_id: str, attempt: int = 0) -> Path:
    """`<out>/<instance_id>.traj.json`; later attempts in `<out>/attempt-<n>`.

    Raises SrftError for an id that is no file name.
    """
    if not INSTANCE_ID.fullmatch(instance_id):
        raise SrftError(f"instance id is no file name: {instance_id[:80]!r}")
    return attempt_folder(out, attempt) / f"{instance_id}.traj.json"


def attempt_folder(out: Path, attempt: int) -> Path:
    """Where the runs of one attempt lie: `out` itself for the first."""
    return out / f"attempt-{attempt}" if attempt else out


def play(
    task: TaskInstance,
    model: Any,
    sandbox: Sandbox,
    *,
    out: Path,
    attempt: int = 0,
    step_limit: int = 12,
    command_seconds: float = 30.0,
    wall_seconds: int = 0,
) -> Path:
    """Run mini-swe-agent's DefaultAgent on the task in a working copy of its repository.

    Args:
        model: implements mini-swe-agent's Model protocol (`agent.text_model.TextModel`).
        out: folder for the run's file (format mini-swe-agent-1.1), see `run_path`.
        step_limit: model calls.
        command_seconds: time of one command.
        wall_seconds: time of the whole run, 0 for no limit.

    The file is kept as `play_in` says.
    """
    target = run_path(out, task.instance_id, attempt)
    with working_copy(task) as workdir:
        environment = SandboxEnvironment(sandbox, workdir, timeout=command_seconds)
        told = Told(steps=step_limit, seconds=wall_seconds)
        play_in(environment, task, model, target, told)
    return target


def play_in(
    environment: Any,
    task: TaskInstance,
    model: Any,
    target: Path,
    told: Told,
    secrets: Sequence[str] = (),
) -> None:
    """Run mini-swe-agent's DefaultAgent in an environment of its protocol; keep the run whole.

    The file is also written when the run crashes, with the exception's name as exit status; then
    the exception goes on. An interrupted run (KeyboardInterrupt) leaves no file. `secrets` are
    never written, wherever they stand; nor is what strict readers of JSON refuse (`readable`),
    for a file that cannot be read counts as a run that was not played.
    """
    prepare_mini()
    from minisweagent.agents.default import DefaultAgent

    agent = DefaultAgent(
        model,
        environment,
        system_template=told.system,
        instance_template=told.instance,
        step_limit=told.steps,
        cost_limit=told.cost,
        wall_time_limit_seconds=told.seconds,
    )
    try:
        agent.run(task.problem_statement)
    finally:
        if agent.messages and agent.messages[-1].get("role") == "exit":
            run = agent.save(None, {"instance_id": task.instance_id})
            text = json.dumps(readable(run), indent=2)
            for secret in filter(None, secrets):
                text = text.replace(json.dumps(secret)[1:-1], "***")
            place(target, text.encode())
