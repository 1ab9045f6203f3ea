"""`prompt.md`: the words of a critic, as a Jinja template with fixed variables."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, nodes
from jinja2.meta import find_undeclared_variables
from jinja2.sandbox import ImmutableSandboxedEnvironment

from srft_assets.critic.spec import LlmSpec
from srft_assets.critic.verdict import Label
from srft_assets.errors import SrftError
from srft_assets.text import visible
from srft_assets.warehouse.recipe import digest

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
    return [LabelView(str(label), MEANINGS[label]) for label in labels]


def sample() -> dict[str, Any]:
    """Values of every variable, to try a prompt with before any run is there."""
    step = StepView(0, "step", "thought", (ActionView("bash", "ls"),), ("observation",))
    texts = dict.fromkeys(VARIABLES, "text")
    lists = {"labels": label_views(tuple(MEANINGS)), "steps": [step]}
    return {**texts, **lists, "first_step": 0, "last_step": 0}


JINJA = ImmutableSandboxedEnvironment(
    undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False
)
"""Sandboxed, and with no loader: a prompt is one file."""


def tree(body: list[nodes.Node]) -> nodes.Template:
    """A template of its own from a part of another."""
    made = nodes.Template(body, lineno=1)
    made.set_environment(JINJA)
    return made


def names(template: nodes.Template) -> set[str]:
    return find_undeclared_variables(template) - JINJA.globals.keys()


def line_of(name: str, template: nodes.Template) -> int:
    uses = (node.lineno for node in template.find_all(nodes.Name) if node.name == name)
    return next(uses, 1)


def is_blank(node: nodes.Node) -> bool:
    """Whether a node writes white space only."""
    return isinstance(node, nodes.Output) and all(
        isinstance(part, nodes.TemplateData) and not part.data.strip() for part in node.nodes
    )


def _compared(text: str) -> Iterator[str]:
    for _, kind, value in JINJA.lex(text):
        if kind.startswith("comment") or kind == "whitespace":
            yield "\n" * value.count("\n")
        else:
            yield value if kind in ("data", "block_end", "variable_end") else f"{value} "


def deciding_tokens(text: str) -> Iterator[tuple[str, str]]:
    """Jinja's tokens that decide the rendering, as kind and value.

    Comments and the white space inside `{{ }}` and `{% %}` decide nothing; text that a comment
    interrupts is one token.
    """
    data = ""
    comment = False
    for _, kind, value in JINJA.lex(text):
        comment = kind == "comment_begin" or (comment and kind != "comment_end")
        if kind == "data":
            data += value
        elif not comment and kind not in ("comment_end", "whitespace"):
            if data:
                yield "data", data
            data = ""
            yield kind, value
    yield "data", data


Message = dict[str, str]
"""`role` and `content`."""

BLOCKS = ("system", "user")


@dataclass(frozen=True)
class Prompt:
    """A checked prompt. `load_prompt` makes it.

    Attributes:
        name: of the file, for errors.
        text: without white space at the ends of lines and of the file.
    """

    name: str
    text: str

    @cached_property
    def digest(self) -> str:
        """16 hex digits of what counts: every word does.

        Jinja comments, white space inside `{{ }}` and at the ends of lines do not.
        """
        return digest(list(deciding_tokens(self.text)))[:16]

    @property
    def deciding(self) -> str:
        """The text without words of comments and without blanks inside tags, for people to compare.

        Its lines are those of the file, so that a change is told with its line.
        """
        return "".join(_compared(self.text)).rstrip()

    @cached_property
    def asks_for_some(self) -> bool:
        """Whether it says which steps are to be labelled, so that a call may show some only."""
        return not self.variables.isdisjoint({"first_step", "last_step"})

    @cached_property
    def variables(self) -> frozenset[str]:
        return frozenset().union(*map(names, self.blocks.values()))

    @cached_property
    def blocks(self) -> dict[str, nodes.Template]:
        """Role of each message → syntax tree of its text. Raises SrftError."""
        try:
            body = JINJA.parse(self.text).body
        except TemplateSyntaxError as error:
            raise self.fault(error.lineno, error.message or "syntax error") from error
        if not any(isinstance(node, nodes.Block) for node in body):
            return {"user": tree(body)}
        for node in body:
            if not is_blank(node) and getattr(node, "name", None) not in BLOCKS:
                raise self.fault(
                    node.lineno, "text outside the blocks: put it into block system or block user"
                )
        blocks = [node for node in body if isinstance(node, nodes.Block)]
        found = {node.name: tree(node.body) for node in blocks}
        if len(found) < len(blocks):
            raise self.fault(blocks[-1].lineno, f"block {blocks[-1].name} is there twice")
        if "user" not in found:
            raise self.fault(1, "there is no block user: it shows the run and asks the question")
        return {role: found[role] for role in BLOCKS if role in found}

    def messages(self, values: Mapping[str, Any]) -> list[Message]:
        """The chat to send. Raises SrftError where the prompt fails on the values."""
        return [self.message(role, values) for role in self.blocks]

    def message(self, role: str, values: Mapping[str, Any]) -> Message:
        """One message of it. Values are data: nothing in them is ever read as a template."""
        try:
            return {"role": role, "content": self._templates[role].render(values).strip()}
        except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError) as error:
            raise SrftError(f"{self.name}: {visible(str(error))[:200]}") from error

    def fault(self, line: int, what: str) -> SrftError:
        return SrftError(f"{self.name}:{line}: {visible(what)}")

    def compile(self) -> None:
        """Raise SrftError where the prompt is no sound template: syntax, filters, blocks."""
        _ = self._templates

    @cached_property
    def _templates(self) -> dict[str, Template]:
        try:
            return {role: JINJA.from_string(block) for role, block in self.blocks.items()}
        except TemplateSyntaxError as error:
            raise self.fault(error.lineno, error.message or "syntax error") from error


def load_prompt(path: Path, spec: LlmSpec | None = None) -> Prompt:
    """The prompt of a critic, tried with sample values; with `spec`, also against what it allows.

    Raises SrftError with file, line and fix: bad syntax, an unknown variable, one that changes
    from run to run in the system block, one that the critic does not see, a run never shown.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise SrftError(f"{path}: no such prompt: write it beside the critic's YAML") from error
    except UnicodeDecodeError as error:
        raise SrftError(f"{path}: not UTF-8 (byte {error.start}): save it as UTF-8") from error
    prompt = Prompt(str(path), "\n".join(line.rstrip() for line in text.splitlines()).rstrip())
    prompt.compile()
    _check_variables(prompt)
    if spec is not None:
        _check_sight(prompt, spec)
    prompt.messages(sample())
    return prompt


def _check_variables(prompt: Prompt) -> None:
    for role, block in prompt.blocks.items():
        for name in sorted(names(block)):
            line = line_of(name, block)
            if name not in VARIABLES:
                known = ", ".join(VARIABLES)
                raise prompt.fault(line, f"unknown variable {name}: there are {known}")
            if role == "system" and name not in CONSTANT:
                raise prompt.fault(
                    line,
                    f"{name} in block system: move it to block user, because the system message "
                    "must be the same for every run (prefix caching)",
                )
    if prompt.variables.isdisjoint({"run", "steps"}):
        raise prompt.fault(1, "the run is never shown: write {{ run }} where it belongs")


def _check_sight(prompt: Prompt, spec: LlmSpec) -> None:
    for name in GRADING:
        if name in prompt.variables and not getattr(spec.sees, name):
            line = line_of(name, prompt.blocks["user"])
            raise prompt.fault(
                line, f"the critic does not see {name}: set sees.{name}: true, or leave it out"
            )
    if spec.reading != "whole" and not prompt.asks_for_some:
        raise prompt.fault(
            1, f"reading: {spec.reading} asks for some steps only: name first_step and last_step"
        )
