"""From a run to the requests that ask a model about it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from srft_assets.critic.answer.schema import constraint, described
from srft_assets.critic.call import Request
from srft_assets.critic.prompt.count import Count, counter, tokens_of
from srft_assets.critic.prompt.cut import Cut
from srft_assets.critic.prompt.reading import Part, Room, TooLongError, each, whole, windows
from srft_assets.critic.prompt.seen import Seen, SeenRun, as_context, see
from srft_assets.critic.prompt.template import Message, Prompt
from srft_assets.critic.prompt.variables import StepView, label_views
from srft_assets.critic.spec import LlmSpec
from srft_assets.errors import SrftError
from srft_assets.trajectories.model import Trajectory

ANSWER_START = 64
"""Tokens of an answer beside what it says of each step."""

SPARE = 256
"""Tokens of a context left free: roles written by the server's chat template, and a second try."""

OURS = frozenset({"messages", "model", "n", "response_format", "stream", "structured_outputs"})
"""Keys of the body that `sampling.options` may not set: the YAML says them elsewhere, or never."""


@dataclass(frozen=True, slots=True)
class Asked:
    """All requests about one run: every step is to be labelled by exactly one of them.

    Attributes:
        requests: in the order of the steps.
        cuts: texts shown in part.
        prompt_tokens: of all requests together, as the critic's counter says.
    """

    requests: tuple[Request, ...]
    cuts: tuple[Cut, ...]
    prompt_tokens: int


def requests_for(spec: LlmSpec, prompt: Prompt, run: Trajectory, seen: Seen) -> Asked:
    """The requests that label a run.

    Raises TooLongError where the run, or with `windows` and `steps` one step of it, is beyond the
    context; SrftError where the prompt or `sampling.options` are wrong.
    """
    if taken := sorted(OURS & spec.sampling.options.keys()):
        raise SrftError(f"sampling.options must not hold {', '.join(taken)}: srft sets them itself")
    count = counter(spec.context.tokenizer)
    ready = see(run, seen, spec.sees, spec.context, count)
    if not ready.steps:
        return Asked((), ready.cuts, 0)
    asking = _Asking(spec, prompt, run.trajectory_id, ready, count)
    asked = [asking.request(part) for part in asking.parts()]
    requests = tuple(request for request, _ in asked)
    return Asked(requests, ready.cuts, sum(tokens for _, tokens in asked))


@dataclass(frozen=True, slots=True)
class _Asking:
    spec: LlmSpec
    prompt: Prompt
    about: str
    run: SeenRun
    count: Count

    def parts(self) -> Iterator[Part]:
        one = Part(range(1), range(1))
        frame = self._tokens(self._messages(one), one) - self.run.tokens[0]
        room = Room(
            max(self.spec.context.tokens - SPARE - ANSWER_START - frame, 0),
            self.spec.sampling.max_tokens_per_step,
        )
        match self.spec.reading:
            case "whole":
                return whole(self.run.tokens, room)
            case "windows":
                return windows(self.run.tokens, room, self.spec.overlap)
            case "steps":
                return each(self.run.tokens, room)

    def request(self, part: Part) -> tuple[Request, int]:
        """The request, and the tokens of its prompt."""
        messages = self._messages(part)
        tokens = self._tokens(messages, part)
        answer = self._answer_tokens(part)
        if tokens + answer > self.spec.context.tokens:
            raise TooLongError(
                f"steps {part.labelled[0]} to {part.labelled[-1]} need {tokens + answer} tokens, "
                f"the context has {self.spec.context.tokens}: does the prompt show steps twice?"
            )
        sampling = self.spec.sampling
        body: dict[str, Any] = {
            "model": self.spec.model,
            "messages": messages,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": answer,
            **({} if sampling.seed is None else {"seed": sampling.seed}),
            **constraint(part.labelled, self.spec),
            **sampling.options,
        }
        return Request(body, part.labelled, self.about), tokens

    def _answer_tokens(self, part: Part) -> int:
        return ANSWER_START + self.spec.sampling.max_tokens_per_step * len(part.labelled)

    def _messages(self, part: Part) -> list[Message]:
        shown = self.run.steps[part.shown.start : part.shown.stop]
        if self.spec.reading == "windows":
            context = part.labelled.start - part.shown.start
            marked = (as_context(step, self.run.fence) for step in shown[:context])
            shown = (*marked, *shown[context:])
        values = {
            "labels": label_views(self.spec.labels),
            "answer": described(self.spec),
            "fence": self.run.fence,
            "task": self.run.task,
            "steps": shown,
            "run": "\n".join(self._lines(part, shown)),
            "first_step": part.labelled[0],
            "last_step": part.labelled[-1],
            **self.run.grading,
        }
        return self.prompt.messages(values)

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

    def _tokens(self, messages: list[Message], part: Part) -> int:
        """Tokens of the prompt: what was counted before, and an estimate of the rest.

        No text is tokenized twice, however many requests show it. A prompt that shows less than
        the fenced steps is counted as it is.
        """
        shown = self.run.steps[part.shown.start : part.shown.stop]
        counted = len(self.run.task) + sum(len(step.text) for step in shown)
        counted += sum(map(len, self.run.grading.values()))
        rest = sum(len(message["content"]) for message in messages) - counted
        if rest < 0:
            return sum(self.count(message["content"]) for message in messages)
        held = self.run.tokens[part.shown.start : part.shown.stop]
        return self.run.other_tokens + sum(held) + tokens_of(rest)
