"""Memory answers as the sandbox does, or not at all."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from srft_assets.agent.environment import SandboxEnvironment
from srft_assets.agent.prompts import SUBMIT
from srft_assets.agent.working_copy import working_copy
from srft_assets.experiment.memory import Memory
from srft_assets.experiment.repository import Repository, grade
from srft_assets.lab.functions import OPERATORS
from srft_assets.lab.repository import CHECK
from srft_assets.lab.tasks import generate_tasks
from srft_assets.outcomes.local import grade_patch

TASKS = generate_tasks(6, 8_001)
HOSTILE = (
    "cat /etc/passwd",
    "cat ../x",
    "cat .git/HEAD",
    "ls; id",
    "ls -a",
    "ls $(id)",
    "touch new.py",
    "rm check.py",
    "git commit -qam x",
    "git add check.py",
    "chmod +x check.py",
    "ln -s /etc/passwd link",
    "echo 'print(1)' > check.py",
    "sed -i 's|return .*|return 1|e' {module}",
    "sed -i 's|return|x|g' {module}",
    "sed -i 's|^def .*||' {module}",
    "sed -i 's|return.*|&&|' {module}",
    "sed -i 's|OK|KO|' check.py",
    "sed -i 's|assertEqual|assertTrue|' test_{module}",
    "sed -i 's|import unittest|import os|' test_{module}",
    "kill -9 1",
    "exit 3",
    "'",
    "",
)
words = [word for one in OPERATORS.values() for word in one]
words += ["price", "width", "(", ")", "1", "0", "2", "print(1)", "__import__('os')", ".x", "'"]


@st.composite
def commands(draw, task):
    module = next(name[5:] for name in task.files if name.startswith("test_"))
    found = [line.split()[1] for line in task.files[module].splitlines() if "return" in line]
    kind = draw(st.sampled_from(["edit", "edit", "edit", "look", "check", "hostile"]))
    if kind == "edit":
        text = " ".join(draw(st.lists(st.sampled_from([*words, *found]), min_size=1, max_size=4)))
        file = draw(st.sampled_from([module, module, module, "gone.py"]))
        text = text.replace("'", draw(st.sampled_from(["", "'"])))
        return (
            f"sed -i 's|return {draw(st.sampled_from([*found, 'gone']))}.*|return {text}|' {file}"
        )
    if kind == "look":
        return draw(st.sampled_from(["ls", f"cat {module}", f"cat test_{module}", "cat gone.py"]))
    if kind == "check":
        return CHECK
    return draw(st.sampled_from(HOSTILE)).replace("{module}", module)


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_runs_in_memory_equal_runs_in_the_sandbox(sandbox, data):
    task = data.draw(st.sampled_from(TASKS))
    script = data.draw(st.lists(commands(task), min_size=1, max_size=5))
    fast = Repository(task, sandbox)
    with working_copy(task) as folder:
        real = SandboxEnvironment(sandbox, folder, timeout=20)
        for command in [*script, CHECK]:
            assert fast.execute(command) == real.execute({"command": command}), command
        try:
            real.execute({"command": SUBMIT})
            patch = None
        except Exception as done:  # noqa: BLE001 minisweagent's Submitted
            patch = done.messages[0]["extra"]["submission"]
    fast.execute(SUBMIT)
    assert fast.submission == patch
    status, _ = grade(fast)
    fast.close()
    assert status == grade_patch(task, patch, sandbox, trajectory_id="x").status


@pytest.mark.parametrize("command", HOSTILE)
def test_memory_leaves_what_it_does_not_know(command):
    task = TASKS[0]
    memory = Memory.of(task)
    module = next(name[5:] for name in task.files if name.startswith("test_"))
    told = memory.run(command.replace("{module}", module))
    known = command.startswith(("sed -i 's|OK|", "sed -i 's|assert", "sed -i 's|import"))
    assert (told is not None) == known


def test_a_command_that_leaves_nothing_behind_does_not_move_the_run(sandbox):
    run = Repository(TASKS[0], sandbox)
    assert run.execute("git status --porcelain")["output"] == ""
    assert not run.strayed or run.copy is not None
    run.execute("echo 1 >> check.py")
    assert run.strayed
    assert run.execute("tail -1 check.py")["output"] == "1\n"
    run.close()


def test_the_right_patch_resolves_and_an_untouched_repository_does_not(sandbox):
    import re

    task = TASKS[1]
    run = Repository(task, sandbox)
    module = next(name[5:] for name in task.files if name.startswith("test_"))
    wanted = re.findall(r'assertEqual\(\w+\.\w+\(.*, "(.*)"\)', task.files[f"test_{module}"])
    for expression in wanted:
        first = expression.split()[0]
        run.execute(f"sed -i 's|return {first}.*|return {expression}|' {module}")
    run.execute(SUBMIT)
    assert run.copy is None
    assert run.submission == task.patch
    assert grade(run)[0] == "resolved"
    untouched = Repository(task, sandbox)
    untouched.execute(SUBMIT)
    assert grade(untouched)[0] == "empty_patch"
