"""Chats of an agent that looks around a generated repository and mends nothing."""

import re
from random import Random

from jinja2 import StrictUndefined, Template

from srft_assets.agent import prompts
from srft_assets.lab.rehearsal import rehearse
from srft_assets.lab.repository import CHECK
from srft_assets.outcomes.task import TaskInstance
from srft_assets.trajectories.model import Message

_INSTANCE = Template(prompts.INSTANCE, undefined=StrictUndefined)
_OBSERVATION = Template(prompts.OBSERVATION, undefined=StrictUndefined)
_WANTED = re.compile(r'assertEqual\(\w+\.(\w+)\(.*, "(.*)"\)')
_FAILED = re.compile(r"^FAIL (\w+):", re.MULTILINE)
_RETURN = re.compile(r"(def (\w+)\(.*\):\n)    return .*")


def explore(task: TaskInstance, rng: Random, steps: int) -> list[Message]:
    """A chat of `steps` steps that list, read or test, and never edit or submit.

    What is done next follows from the last output alone (a listing, code, failures, success), so
    that the model learns to look there, and to say which test fails first; what it should do
    then is left to fine-tuning.
    """
    files = dict(task.files)
    module = next(name[5:] for name in files if name.startswith("test_"))
    looks: tuple[str, str] = ("Look around.", "ls")
    reads = ("Read the code.", f"cat {module}")
    tests = ("Run the tests.", CHECK)
    messages: list[Message] = [
        {"role": "system", "content": prompts.SYSTEM},
        {"role": "user", "content": _INSTANCE.render(task=task.problem_statement)},
    ]
    move = rng.choice((looks, reads))
    for _ in range(steps):
        thought, command = move
        printed, code = rehearse(command, files)
        output = {"output": printed, "returncode": code, "exception_info": ""}
        messages += [
            {"role": "assistant", "content": prompts.turn(thought, command)},
            {"role": "user", "content": _OBSERVATION.render(output=output)},
        ]
        move = tests if command == reads[1] else reads
        if failed := _FAILED.search(printed):
            move = (f"Test of {failed[1]} fails.", "ls")
    return messages


def mended(task: TaskInstance) -> TaskInstance:
    """The task with its bugs already mended: what its tests ask for, in its module."""
    module = next(name[5:] for name in task.files if name.startswith("test_"))
    wanted = dict(_WANTED.findall(task.files[f"test_{module}"]))
    source = _RETURN.sub(
        lambda found: f"{found[1]}    return {wanted[found[2]]}", task.files[module]
    )
    return task.model_copy(update={"files": {**task.files, module: source}})
