"""The messages of one request, and their tokens."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from srft_assets.critic.answer.schema import described
from srft_assets.critic.prompt.count import Count, tokens_of
from srft_assets.critic.prompt.reading import Part
from srft_assets.critic.prompt.seen import SeenRun, as_context
from srft_assets.critic.prompt.template import Message, Prompt
from srft_assets.critic.prompt.variables import StepView, label_views
from srft_assets.critic.spec import LlmSpec

NOTES = 100
"""Characters a step beside its own text: marks, line breaks, notes on what is not shown."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A prompt without its task and steps: tokens and characters."""

    tokens: int
    size: int


@dataclass(frozen=True)
class Rendering:
    """A critic's prompt and the run it is about."""

    spec: LlmSpec
    prompt: Prompt
    run: SeenRun
    count: Count

    @cached_property
    def frame(self) -> Frame:
        """What every request about this run holds."""
        nothing = StepView(0, "", "", (), ())
        messages = self._render((nothing,), [], "", range(1))
        return Frame(self._counted(messages), _size(messages))

    def messages(self, part: Part) -> list[Message]:
        """The chat of one request."""
        shown = self.run.steps[part.shown.start : part.shown.stop]
        if self.spec.reading == "windows":
            context = part.labelled.start - part.shown.start
            marked = (as_context(step, self.run.fence) for step in shown[:context])
            shown = (*marked, *shown[context:])
        return self._render(shown, self._lines(part, shown), self.run.task, part.labelled)

    def _render(
        self, shown: Sequence[StepView], lines: Iterable[str], task: str, labelled: range
    ) -> list[Message]:
        values = {
            **self._constant,
            "fence": self.run.fence,
            "task": task,
            "steps": shown,
            "run": "\n".join(lines),
            "first_step": labelled[0],
            "last_step": labelled[-1],
            **self.run.grading,
        }
        return [*self._before, self.prompt.message("user", values)]

    @cached_property
    def _constant(self) -> dict[str, Any]:
        return {"labels": label_views(self.spec.labels), "answer": described(self.spec)}

    @cached_property
    def _before(self) -> list[Message]:
        """The messages that are the same for every request."""
        roles = [role for role in self.prompt.blocks if role != "user"]
        return [self.prompt.message(role, self._constant) for role in roles]

    def _lines(self, part: Part, shown: Sequence[StepView]) -> Iterator[str]:
        """The steps, and what says that others are missing.

        With `steps` nothing is said of those to come, so that each prompt begins as the last did.
        """
        if before := part.shown.start:
            yield f"(Steps 0 to {before - 1} are not shown.)"
        yield from (step.text for step in shown)
        after, last = part.shown.stop, len(self.run.steps) - 1
        if self.spec.reading == "windows" and after <= last:
            yield f"(The run goes on to step {last}; steps {after} to {last} are not shown.)"

    def tokens(self, messages: list[Message], part: Part) -> int:
        """Tokens of the prompt: the sum of its parts, each counted once for all requests.

        A prompt that shows its parts twice, or shows less than the fenced steps, is counted whole.
        """
        shown = self.run.steps[part.shown.start : part.shown.stop]
        size = self.frame.size + len(self.run.task) + sum(len(step.text) for step in shown)
        notes = _size(messages) - size
        if abs(notes) > NOTES * (len(shown) + 1):
            return self._counted(messages)
        held = sum(self.run.tokens[part.shown.start : part.shown.stop])
        return self.frame.tokens + self.run.task_tokens + held + tokens_of(max(notes, 0))

    def _counted(self, messages: list[Message]) -> int:
        return sum(self.count(message["content"]) for message in messages)


def _size(messages: list[Message]) -> int:
    return sum(len(message["content"]) for message in messages)
