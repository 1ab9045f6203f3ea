"""Play mini-swe-agent on one task and keep the run."""

import json
import re
from pathlib import Path
from typing import Any

from srft_assets.agent import prompts
from srft_assets.agent.environment import SandboxEnvironment
from srft_assets.agent.mini import prepare_mini
from srft_assets.agent.whole_file import put_whole
from srft_assets.agent.working_copy import working_copy
from srft_assets.errors import SrftError
from srft_assets.outcomes.task import TaskInstance
from srft_assets.sandbox.model import Sandbox

INSTANCE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")


def run_path(out: Path, instance_id: str) -> Path:
    """`<out>/<instance_id>.traj.json`. Raises SrftError for an id that is no file name."""
    if not INSTANCE_ID.fullmatch(instance_id):
        raise SrftError(f"instance id is no file name: {instance_id[:80]!r}")
    return out / f"{instance_id}.traj.json"


def play(
    task: TaskInstance,
    model: Any,
    sandbox: Sandbox,
    *,
    out: Path,
    step_limit: int = 12,
    command_seconds: float = 30.0,
    wall_seconds: int = 0,
) -> Path:
    """Run mini-swe-agent's DefaultAgent on the task in a working copy of its repository.

    Args:
        model: implements mini-swe-agent's Model protocol (`agent.text_model.TextModel`).
        out: folder for `<instance_id>.traj.json` (format mini-swe-agent-1.1), put in place whole.
        step_limit: model calls.
        command_seconds: time of one command.
        wall_seconds: time of the whole run, 0 for no limit.

    The file is also written when the run crashes, with the exception's name as exit status; then
    the exception goes on. An interrupted run (KeyboardInterrupt) leaves no file.
    """
    prepare_mini()
    from minisweagent.agents.default import DefaultAgent

    target = run_path(out, task.instance_id)
    with working_copy(task) as workdir:
        agent = DefaultAgent(
            model,
            SandboxEnvironment(sandbox, workdir, timeout=command_seconds),
            system_template=prompts.SYSTEM,
            instance_template=prompts.INSTANCE,
            step_limit=step_limit,
            cost_limit=0.0,
            wall_time_limit_seconds=wall_seconds,
        )
        try:
            agent.run(task.problem_statement)
        finally:
            if agent.messages and agent.messages[-1].get("role") == "exit":
                run = agent.save(None, {"instance_id": task.instance_id})
                put_whole(target, json.dumps(run, indent=2).encode())
    return target
