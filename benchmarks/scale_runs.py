"""Generated runs with the shapes of real ones, for `benchmarks/scale.py`. Nothing is copied.

Shapes are those of 142 recorded runs (mini-swe-agent, SWE-agent, OpenHands): quantiles of the
length of commands, thoughts and observations, programs by frequency, one command in seven a
repetition, one return code in six not 0. Runs are longer than theirs (a median of 54 steps beside
21), so that 67,000 have 4 million steps, as SWE-smith's 32B teacher has.
"""

import random
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import orjson

STEPS = ((0.0, 8), (0.25, 36), (0.5, 54), (0.75, 76), (0.95, 118), (1.0, 150))
COMMAND = ((0.0, 6), (0.25, 35), (0.5, 57), (0.75, 121), (0.9, 921), (0.99, 4349), (1.0, 9000))
THOUGHT = ((0.0, 0), (0.25, 50), (0.5, 119), (0.75, 320), (0.99, 1400), (1.0, 3000))
OBSERVATION = ((0.0, 0), (0.25, 60), (0.5, 330), (0.75, 1300), (0.9, 3800), (1.0, 10_000))
"""Length in characters (of runs: in steps) by quantile; between two it is drawn evenly."""
PROGRAMS = {
    "cat": 36, "python": 43, "grep": 26, "nl": 18, "sed": 16, "ls": 15, "git": 9, "find": 5,
    "pytest": 4, "rm": 3, "test": 2, "head": 2, "mkdir": 1, "make": 1, "pip": 1,
}  # fmt: skip
REPEATED, FAILED, RESOLVED = 1 / 7, 1 / 6, 0.39
SYLLABLES = ("ar", "ben", "co", "dal", "er", "fin", "gor", "hu", "il", "ker", "lo", "mas")
SIGNS = (" ", " ", " ", " ", "_", ".", "/", "(", ")", "\n", "\n    ", " = ", ", ", ": ")
POOL = 1_000_000
SUBMIT = "echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT && git add -A && git diff --cached"


class Runs:
    """A source of runs; the same seed gives the same."""

    def __init__(self, seed: int = 0) -> None:
        self.draw = random.Random(seed)
        words = ["".join(self.draw.choices(SYLLABLES, k=1 + n % 4)) for n in range(8000)]
        weights = [1 / (place + 3) for place in range(len(words))]
        parts, size = [], 0
        for word in self.draw.choices(words, weights, k=POOL // 4):
            parts.append(word + self.draw.choice(SIGNS))
            size += len(parts[-1])
        self.pool = "".join(parts)[:POOL]

    def lines(self, runs: int) -> Iterator[bytes]:
        """Rows as mini-swe-agent's trajectories, one JSON line each."""
        for number in range(runs):
            yield orjson.dumps(self.run(number)) + b"\n"

    def report(self, runs: int) -> dict[str, Any]:
        """A SWE-bench report of these runs: 39% resolved, the share in the paper."""
        ids = [instance(number) for number in range(runs)]
        resolved = [each for each in ids if self.draw.random() < RESOLVED]
        solved = set(resolved)
        return {
            "schema_version": 2,
            "total_instances": runs,
            "submitted_ids": ids,
            "completed_ids": ids,
            "resolved_ids": resolved,
            "unresolved_ids": [each for each in ids if each not in solved],
            "empty_patch_ids": [],
            "error_ids": [],
        }

    def text(self, shape: tuple[tuple[float, int], ...]) -> str:
        """Words of a length of this shape, with breaks and signs as in code."""
        size = self._size(shape)
        start = self.draw.randrange(POOL - size)
        return self.pool[start : start + size]

    def run(self, number: int, steps: int | None = None) -> dict[str, Any]:
        """One run, of as many steps where that is stated."""
        messages = [
            {"role": "system", "content": "Answer with one command in a bash block."},
            {"role": "user", "content": f"Fix case {number}. {self.text(OBSERVATION)}"},
        ]
        said: list[str] = []
        for _ in range((steps or self._size(STEPS)) - 1):
            again = bool(said) and self.draw.random() < REPEATED
            said.append(self.draw.choice(said) if again else self._command())
            messages += self._turn(said[-1])
        patch = f"diff --git a/x.py b/x.py\n--- a/x.py\n+++ b/x.py\n@@ -1 +1 @@\n-{number}\n+0\n"
        messages.append({"role": "assistant", "content": block("Done.", SUBMIT)})
        messages.append({"role": "user", "content": patch})
        return {
            "instance_id": instance(number),
            "info": {"exit_status": "Submitted", "submission": patch, "mini_version": "1.15.0"},
            "messages": messages,
            "trajectory_format": "mini-swe-agent-1",
        }

    def _command(self) -> str:
        program = self.draw.choices(list(PROGRAMS), list(PROGRAMS.values()))[0]
        argument = self.text(COMMAND).translate({ord("`"): " ", ord("'"): " "})
        return f"{program} '{argument}'"  # quoted, or no shell could read it

    def _turn(self, command: str) -> list[dict[str, str]]:
        code = int(self.draw.random() < FAILED)
        output = self.text(OBSERVATION)
        observed = f"<returncode>{code}</returncode>\n<output>\n{output}\n</output>"
        return [
            {"role": "assistant", "content": block(self.text(THOUGHT), command)},
            {"role": "user", "content": observed},
        ]

    def _size(self, shape: tuple[tuple[float, int], ...]) -> int:
        at = self.draw.random()
        for (low, few), (high, many) in pairwise(shape):
            if at <= high:
                return int(few + (many - few) * (at - low) / (high - low))
        return shape[-1][1]


def instance(number: int) -> str:
    """The id of a task."""
    return f"lab__case-{number // 10_000}-{number:04}"


def block(thought: str, command: str) -> str:
    """A turn as mini-swe-agent asks for it."""
    return f"THOUGHT: {thought}\n\n```bash\n{command}\n```"
