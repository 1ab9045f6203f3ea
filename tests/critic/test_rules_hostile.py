"""The rules critic on text and runs that were written to hold it up: time grows with their length.

CPU time is compared with CPU time of the same kind at a quarter of the length.
"""

import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from srft_assets.critic.rules import critic
from srft_assets.critic.rules.commands import programs_of
from srft_assets.trajectories.model import Action, Step, Trajectory
from tests.critic.test_rules import bash, editor

GROWTH = 9
"""Of four times the length: 4 where time grows with it, 16 where it grows with its square."""
NOISE = 0.25
"""Seconds."""


def cpu_seconds(*steps: Step) -> float:
    for index, step in enumerate(steps):
        step.step_index = index
    run = Trajectory("t", "i", "mini-swe-agent", "test", messages=[], steps=list(steps))
    programs_of.cache_clear()
    began = time.process_time()
    verdicts = critic.judge(run)
    seconds = time.process_time() - began
    assert [verdict.step_index for verdict in verdicts] == list(range(len(steps)))
    return seconds


COMMANDS: dict[str, Callable[[int], str]] = {
    "heredocs": lambda n: "cat > a.py <<'EOF'\nx = 1\nEOF\n" * n,
    "heredocs without an end": lambda n: "cat <<'EOF' " * n,
    "a script of sed that is all blanks": lambda n: f"sed -i '{' ' * n * 10}x' a.py",
    "a script of sed without an end": lambda n: f"sed -i '/{'a' * n * 10}' a.py",
    "edits of many files": lambda n: "sed -i 's/a/b/' " + " ".join(f"f{i}.py" for i in range(n)),
    "quotes": lambda n: "echo " + "'a' \"b\" " * n,
    "nested substitutions": lambda n: "$(" * n,
    "a deep path": lambda n: f"cat > {'a/' * n * 4}b.py <<'EOF'\nx\nEOF\n",
    "Python with many paths": lambda n: f"python -c \"open('{'a.' * n * 4}').write('')\"",
    "shells in shells": lambda n: "bash -c '" + "bash -c " * n + "'",
}
OBSERVATIONS: dict[str, Callable[[int], str]] = {
    "blanks": lambda n: " " * n * 10,
    "lines of a shell": lambda n: "sh: sh: sh: \n" * n,
    "underlines": lambda n: "_____ " * n,
    "frames": lambda n: ' File "a.py", line 1\n' * n,
    "refusals": lambda n: "File a already" * n,
}
RUNS: dict[str, Callable[[int], list[Step]]] = {
    "the same again": lambda n: [bash("ls", "x" * 200, 1)] * n,
    "failing code": lambda n: [bash("python a.py", "NameError: a", 1) for _ in range(n)],
    "edits of one file": lambda n: [bash(f"sed -i 's/a{i}/b/' a.py") for i in range(n)],
    "edits that are taken back": lambda n: [
        editor(command="str_replace", path="/a.py", old_str=f"{i % 2}", new_str=f"{1 - i % 2}")
        for i in range(n)
    ],
    "edits and tests": lambda n: [
        step
        for i in range(n // 2)
        for step in (bash(f"sed -i 's/a{i}/b/' a.py"), bash("pytest", "FAILED a.py::b", 1))
    ],
    "scripts that are run": lambda n: [
        step
        for i in range(n // 2)
        for step in (bash(f"cat > f{i}.py <<'EOF'\nx\nEOF"), bash(f"python f{i}.py"))
    ],
    "submissions": lambda n: [bash("submit")] * n,
    "one step with many actions": lambda n: [
        Step(0, 0, "", [Action("bash", "sed -i 's/a/b/' a.py")] * n, ["x"] * n, [0] * n)
    ],
}


def grows_with_its_length(
    steps: Callable[[int], list[Step]], length: int, noise: float = NOISE
) -> None:
    short, long = (cpu_seconds(*steps(count)) for count in (length, 4 * length))
    assert long <= GROWTH * short + noise


@pytest.mark.parametrize("kind", COMMANDS)
def test_a_long_command(kind: str):
    grows_with_its_length(lambda n: [bash(COMMANDS[kind](n)), bash("git checkout a.py")], 800)


@pytest.mark.parametrize("kind", COMMANDS)
def test_long_arguments_of_an_edit_tool(kind: str):
    def steps(n: int) -> list[Step]:
        text = COMMANDS[kind](n)
        edit = editor(command="str_replace", path="/a.py", old_str=text, new_str=text + "x")
        return [edit, editor(command="undo_edit", path="/a.py")]

    grows_with_its_length(steps, 2000)


@pytest.mark.parametrize("kind", OBSERVATIONS)
def test_a_long_answer(kind: str):
    grows_with_its_length(lambda n: [bash("pytest", OBSERVATIONS[kind](n), 1)] * 2, 5000)


@pytest.mark.parametrize("kind", RUNS)
def test_a_long_run(kind: str):
    grows_with_its_length(RUNS[kind], 400)


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="ab1 |&;<>()[]{}$`'\"\\\n-=/_.:E", min_size=1, max_size=12))
def test_any_text_that_is_repeated(unit: str):
    def steps(n: int) -> list[Step]:
        text = unit * n
        return [bash(f"sed -i '{text}' a.py", text, 1), bash(text, text, 1)]

    # The parser of commands is stopped within this time, whatever it reads.
    grows_with_its_length(steps, 1500, noise=1.5)
