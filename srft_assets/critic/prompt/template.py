"""`prompt.md`: the words of a critic, as a Jinja template with fixed variables."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from jinja2 import Template, TemplateError, TemplateSyntaxError, nodes

from srft_assets.critic.prompt.jinja import JINJA, deciding_tokens, is_blank, line_of, names, tree
from srft_assets.critic.prompt.variables import CONSTANT, GRADING, VARIABLES, sample
from srft_assets.critic.spec import LlmSpec
from srft_assets.errors import SrftError
from srft_assets.warehouse.recipe import digest
from srft_assets.warehouse.visible import visible

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
        """The text without what decides nothing, for people to compare; see `digest`."""
        tokens = deciding_tokens(self.text)
        closed = ("data", "block_end", "variable_end")
        return "".join(value if kind in closed else f"{value} " for kind, value in tokens)

    @cached_property
    def variables(self) -> frozenset[str]:
        """Names of the variables that the prompt uses."""
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
        """An error of the prompt, in one line."""
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
    if spec.reading != "whole" and prompt.variables.isdisjoint({"first_step", "last_step"}):
        raise prompt.fault(
            1, f"reading: {spec.reading} asks for some steps only: name first_step and last_step"
        )
