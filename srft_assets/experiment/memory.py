"""A generated repository in memory: the few commands that agents use there, answered at once.

What is not known to be answered exactly as the sandbox does is not answered: see `Memory.run`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from srft_assets.experiment.grammar import NotPlainError, plain_functions
from srft_assets.experiment.plain_tests import plain_tests
from srft_assets.lab.repository import CHECK
from srft_assets.outcomes.task import TaskInstance

Printed = tuple[str, int]
"""Output and return code."""

_NAME = r"[A-Za-z0-9][A-Za-z0-9_]*(?:\.[A-Za-z0-9_]+)?"
_CAT = re.compile(rf"cat ({_NAME})")
_SED = re.compile(rf"sed -i 's\|([A-Za-z0-9_ ]+)(\.\*)?\|([^|&\\'\n]*)\|' ({_NAME})")
"""A pattern of letters, perhaps with `.*` at its end; a replacement that means itself."""


@dataclass
class Memory:
    """The files of one task as the run has changed them so far."""

    task: TaskInstance
    files: dict[str, str]

    @classmethod
    def of(cls, task: TaskInstance) -> "Memory":
        """The task's repository at its base commit."""
        return cls(task, dict(task.files))

    def run(self, command: str) -> Printed | None:
        """What the sandbox would print; None, with nothing changed, where only it can say."""
        if not (command.isascii() and command.isprintable()):
            return None
        if command == "ls":
            return "".join(f"{name}\n" for name in sorted(self.files)), 0
        if command == CHECK:
            return self._check()
        if found := _CAT.fullmatch(command):
            name = found[1]
            if name in self.files:
                return self.files[name], 0
            return f"cat: {name}: No such file or directory\n", 1
        if found := _SED.fullmatch(command):
            return self._edit(*found.groups())
        return None

    def _edit(self, literal: str, rest: str | None, new: str, name: str) -> Printed:
        if name not in self.files:
            return f"sed: can't read {name}: No such file or directory\n", 2
        pattern = re.compile(re.escape(literal) + ("[^\n]*" if rest else ""))
        lines = self.files[name].split("\n")
        self.files[name] = "\n".join(pattern.sub(lambda _: new, line, count=1) for line in lines)
        return "", 0

    @property
    def edited(self) -> list[str]:
        """Names of the files that are not as they were."""
        return [name for name, text in self.files.items() if self.task.files[name] != text]

    def _check(self) -> Printed | None:
        module, tests = tested_module(self.task.files)
        if set(self.edited) - {module}:
            return None
        try:
            told = failures(self.files[module], self.files[tests], tests)
            count = len(plain_tests(self.files[tests]))
        except NotPlainError:
            return None
        if told:
            return "".join(f"FAIL {name}: {line}\n" for name, line in told), 1
        return f"OK, {count} tests pass\n", 0


def tested_module(files: Mapping[str, str]) -> tuple[str, str]:
    """Names of the module and of its visible tests. Raises NotPlainError for other repositories."""
    tests = [name for name in files if name.startswith("test_")]
    if len(tests) != 1 or tests[0].removeprefix("test_") not in files:
        raise NotPlainError("not one module with its tests")
    return tests[0].removeprefix("test_"), tests[0]


def failures(module: str, tests: str, name: str) -> list[tuple[str, str]]:
    """Names of the tests that fail, with the last line of why. Raises NotPlainError."""
    try:
        functions = plain_functions(module)
    except SyntaxError as error:
        stem = name.removeprefix("test_").removesuffix(".py")
        return [(stem, f"{type(error).__name__}: {error.msg}")]
    said = [(test.name, test.failure(functions)) for test in plain_tests(tests)]
    return [(name, line) for name, line in said if line is not None]
