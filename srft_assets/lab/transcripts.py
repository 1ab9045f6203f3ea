"""Chats of the scripted teacher, many in little time, for training the base model."""

import re
from collections.abc import Iterator
from typing import Any

from jinja2 import StrictUndefined, Template

from srft_assets.agent import prompts
from srft_assets.lab.rehearsal import rehearse
from srft_assets.lab.tasks import generate_tasks
from srft_assets.lab.teacher import Rates, Teacher
from srft_assets.outcomes.task import TaskInstance
from srft_assets.trajectories.model import Message

STEP_LIMIT = 16

_INSTANCE = Template(prompts.INSTANCE, undefined=StrictUndefined)
_OBSERVATION = Template(prompts.OBSERVATION, undefined=StrictUndefined)


def teacher_messages(
    count: int, seed: int, rates: Rates | None = None, step_limit: int = STEP_LIMIT
) -> Iterator[list[Message]]:
    """The chats of `count` runs (system, user and assistant messages with role and content).

    They are what `agent.play` records for the same tasks and teacher, less the exit message;
    they are rehearsed in this process, some hundreds a second.
    """
    for task in generate_tasks(count, seed):
        teacher = Teacher(seed, task.instance_id, rates)
        yield rehearse_run(task, teacher, step_limit)


def rehearse_run(
    task: TaskInstance, teacher: Teacher, step_limit: int = STEP_LIMIT
) -> list[Message]:
    """One chat, until the teacher submits or the limit is reached."""
    files = dict(task.files)
    messages: list[Message] = [
        {"role": "system", "content": prompts.SYSTEM},
        {"role": "user", "content": _INSTANCE.render(task=task.problem_statement)},
    ]
    for _ in range(step_limit):
        text, _extra = teacher.reply(messages)
        messages.append({"role": "assistant", "content": text})
        command = re.findall(prompts.ACTION, text, re.DOTALL)[0].strip()
        if command == prompts.SUBMIT:
            break
        printed, code = rehearse(command, files)
        output: dict[str, Any] = {"output": printed, "returncode": code, "exception_info": ""}
        messages.append({"role": "user", "content": _OBSERVATION.render(output=output)})
    return messages
