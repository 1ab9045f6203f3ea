"""What a prompt may say: the variables of `prompt.md`, and nothing else."""

from dataclasses import dataclass
from typing import Any

from srft_assets.critic.verdict import Label

VARIABLES = {
    "labels": "list of the critic's labels, each with `name` and `meaning`",
    "answer": "what the answer must look like, in words and with an example",
    "fence": "the id in every fence line of this run",
    "task": "the task that the agent was given, fenced",
    "run": "the steps shown, each fenced, in order",
    "steps": "list of the same steps, each with `index`, `text` (fenced), `thought`, "
    "`actions` (each with `tool` and `command`) and `observations`",
    "first_step": "index of the first step to label",
    "last_step": "index of the last step to label",
    "outcome": "status of the run: `resolved`, `unresolved`, …; only with `sees.outcome`",
    "failed_tests": "names of the tests that failed, fenced, empty where they are not known; "
    "only with `sees.failed_tests`",
    "gold_patch": "the reference solution, fenced, empty where there is none; "
    "only with `sees.gold_patch`",
}
"""Every variable, with its meaning for the documentation."""

CONSTANT = frozenset({"labels", "answer"})
"""The same for every run of a critic: these alone may stand in the system block."""

GRADING = ("outcome", "failed_tests", "gold_patch")
"""Variables that a switch of the same name in `sees` allows."""

MEANINGS = {
    Label.GOOD: "the step helps to solve the task: it finds out something that matters, "
    "makes or checks a right change, or draws a right conclusion",
    Label.UNNECESSARY: "the step neither helps nor harms: without it the run would have gone "
    "the same way",
    Label.MISTAKE: "the action, edit or conclusion is wrong: it harms the solution or leads "
    "away from it",
    Label.RECOVER: "the step notices a mistake made earlier in the run and mends it, wholly or "
    "in part",
}
"""The labels of arXiv 2605.10674. The paper names them without publishing its prompt."""


@dataclass(frozen=True, slots=True)
class LabelView:
    """A label as a prompt sees it."""

    name: str
    meaning: str


@dataclass(frozen=True, slots=True)
class ActionView:
    """An action as a prompt sees it. Not fenced."""

    tool: str
    command: str


@dataclass(frozen=True, slots=True)
class StepView:
    """A step as a prompt sees it. Only `text` is fenced."""

    index: int
    text: str
    thought: str
    actions: tuple[ActionView, ...]
    observations: tuple[str, ...]


def label_views(labels: tuple[Label, ...]) -> list[LabelView]:
    """The labels a critic may give, with their meanings."""
    return [LabelView(str(label), MEANINGS[label]) for label in labels]


def sample() -> dict[str, Any]:
    """Values of every variable, to try a prompt with before any run is there."""
    step = StepView(0, "step", "thought", (ActionView("bash", "ls"),), ("observation",))
    texts = dict.fromkeys(VARIABLES, "text")
    lists = {"labels": label_views(tuple(MEANINGS)), "steps": [step]}
    return {**texts, **lists, "first_step": 0, "last_step": 0}
