"""Chats made in this process, without a sandbox: the scripted teacher's, and of mere exploring.

A test holds what is rehearsed here to what the real sandbox prints."""

import re
from collections.abc import Iterator
from random import Random
from typing import Any

from jinja2 import StrictUndefined, Template

from srft_assets.agent import protocol
from srft_assets.lab.tasks import CHECK, generate_tasks
from srft_assets.lab.teacher import Rates, Teacher
from srft_assets.outcomes.task import TaskInstance
from srft_assets.trajectories.model import Message

_ASSERTION = re.compile(r'assertEqual\(\w+\.(\w+)\((.*?)\), (-?\w+), "(.*)"\)')
_SED = re.compile(r"sed -i 's\|(.+)\|(.+)\|' (\w+\.py)")


def rehearse(command: str, files: dict[str, str]) -> tuple[str, int]:
    """Output and return code of one of the teacher's commands; an edit changes `files`.

    `files` must be a generated repository: its code is run here. Raises ValueError for
    commands that the teacher does not use.
    """
    if command == "ls":
        return "".join(f"{name}\n" for name in sorted(files)), 0
    if command == CHECK:
        return _check(files)
    if command.startswith("cat ") and command[4:] in files:
        return files[command[4:]], 0
    if edit := _SED.fullmatch(command):
        pattern, new, name = edit.groups()
        files[name] = re.sub(pattern, lambda _: new, files[name])
        return "", 0
    raise ValueError(f"not one of the teacher's commands: {command[:80]!r}")


def _check(files: dict[str, str]) -> tuple[str, int]:
    test = next(name for name in files if name.startswith("test_"))
    scope: dict[str, Any] = {}
    exec(files[test.removeprefix("test_")], scope)  # noqa: S102 the lab's own source
    told: dict[str, str] = {}
    assertions = _ASSERTION.findall(files[test])
    for name, arguments, want, message in assertions:
        got = str(scope[name](*map(int, arguments.split(", "))))
        if got != want:
            told.setdefault(name, f"FAIL {name}: {got} != {want} : {message}\n")
    if told:
        return "".join(line for _, line in sorted(told.items())), 1
    return f"OK, {len({name for name, *_ in assertions})} tests pass\n", 0


STEP_LIMIT = 16

_INSTANCE = Template(protocol.INSTANCE, undefined=StrictUndefined)
_OBSERVATION = Template(protocol.OBSERVATION, undefined=StrictUndefined)


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
        {"role": "system", "content": protocol.SYSTEM},
        {"role": "user", "content": _INSTANCE.render(task=task.problem_statement)},
    ]
    for _ in range(step_limit):
        text, _extra = teacher.reply(messages)
        messages.append({"role": "assistant", "content": text})
        command = re.findall(protocol.ACTION, text, re.DOTALL)[0].strip()
        if command == protocol.SUBMIT:
            break
        printed, code = rehearse(command, files)
        output: dict[str, Any] = {"output": printed, "returncode": code, "exception_info": ""}
        messages.append({"role": "user", "content": _OBSERVATION.render(output=output)})
    return messages


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
        {"role": "system", "content": protocol.SYSTEM},
        {"role": "user", "content": _INSTANCE.render(task=task.problem_statement)},
    ]
    move = rng.choice((looks, reads))
    for _ in range(steps):
        thought, command = move
        printed, code = rehearse(command, files)
        output = {"output": printed, "returncode": code, "exception_info": ""}
        messages += [
            {"role": "assistant", "content": protocol.turn(thought, command)},
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
