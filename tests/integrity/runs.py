"""Runs whose steps are given by hand, or played by a shell in a real repository."""

import os
import subprocess
from pathlib import Path

from srft_assets.integrity.finding import Finding
from srft_assets.integrity.stage import findings_of
from srft_assets.trajectories.model import Action, Step, Trajectory

TASK = {"role": "user", "content": "add() subtracts; see commit 0ddb4ebf0ddb of last year."}
INSTANCE = "octo__calc-12"


def bash(command: str, output: str = "", code: int | None = 0) -> Step:
    return Step(0, 1, "", [Action("bash", command)], [output], [code])


def tool(name: str, given: str, output: str = "done") -> Step:
    return Step(0, 1, "", [Action(name, given)], [output], [None])


def run_of(*steps: Step, submission: str | None = None, instance: str = INSTANCE) -> Trajectory:
    for index, step in enumerate(steps):
        step.step_index = index
    return Trajectory(
        "t", instance, "mini-swe-agent", "test", [TASK], list(steps), submission=submission
    )


def found(*steps: Step, submission: str | None = None) -> list[Finding]:
    return findings_of(run_of(*steps, submission=submission))


def rules(*steps: Step, submission: str | None = None) -> list[tuple[int | None, str]]:
    return [(one.step_index, one.rule) for one in found(*steps, submission=submission)]


class Repository:
    """A clone whose HEAD lies two commits behind the branch `main` of its origin, or at its tip.

    `early`, `base` (HEAD), `fix` and `late` are commits, in that order, a day apart; the first is
    tagged `v1.0`, the last `v2.0`.
    """

    def __init__(self, folder: Path, behind: bool = True) -> None:
        origin, self.folder = folder / "calc.git", folder / "testbed"
        origin.mkdir()
        self.of = origin
        self.day = 0
        self.git("init", "-q", "-b", "main")
        self.early = self._commit("calc.py", "def add(a, b):\n    return a - b\n", "Add it")
        self.base = self._commit("README.md", "calc\n", "Say what it is")
        self.fix = self.late = self.base
        if behind:
            self.fix = self._commit("calc.py", "def add(a, b):\n    return a + b\n", "Fix add, #12")
            self.late = self._commit("test_calc.py", "assert add(1, 1) == 2\n", "Test add")
        subprocess.run(["git", "clone", "-q", origin, self.folder], check=True, env=self._env())
        self.of = self.folder
        self.git("tag", "v1.0", self.early)
        self.git("tag", "v2.0", self.late)
        self.git("reset", "-q", "--hard", self.base)
        self.day += 1

    def _env(self) -> dict[str, str]:
        date = f"2024-05-{self.day + 1:02d}T12:00:00+0000"
        who = {f"GIT_{a}_{b}": "o@octo" for a in ("AUTHOR", "COMMITTER") for b in ("NAME", "EMAIL")}
        dates = {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
        return {**os.environ, **who, **dates, "GIT_CONFIG_GLOBAL": os.devnull}

    def git(self, *words: str) -> str:
        done = subprocess.run(
            ["git", *words],
            cwd=self.of,
            check=True,
            capture_output=True,
            text=True,
            env=self._env(),
        )
        return done.stdout.strip()

    def _commit(self, name: str, text: str, message: str) -> str:
        self.day += 1
        (self.of / name).write_text(text)
        self.git("add", name)
        self.git("commit", "-q", "-m", message)
        return self.git("rev-parse", "HEAD")

    def plays(self, *commands: str) -> list[Step]:
        """The steps of a run that gives these commands; `{fix}` and its like are filled in."""
        names = {name: getattr(self, name) for name in ("early", "base", "fix", "late")}
        return [self._played(command.format(**names)) for command in commands]

    def _played(self, command: str) -> Step:
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=self._env(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return bash(command, done.stdout, done.returncode)
