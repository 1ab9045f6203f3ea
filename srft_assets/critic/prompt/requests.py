"""From a run to the requests that ask a model about it: which steps each shows, and its words."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from srft_assets.critic.answer import constraint, described
from srft_assets.critic.calls import Request
from srft_assets.critic.prompt.run_view import Cut, Seen, SeenRun, as_context, see
from srft_assets.critic.prompt.template import Message, Prompt, StepView, label_views
from srft_assets.critic.prompt.text import Count, counter, tokens_of
from srft_assets.critic.spec import LlmSpec
from srft_assets.errors import SrftError
from srft_assets.trajectories.model import Trajectory


class TooLongError(SrftError):
    """A run that the critic's context cannot hold. Its steps stay unlabeled."""


@dataclass(frozen=True, slots=True)
class Part:
    """Step indexes of one call: those it shows, and those of them it must label."""

    shown: range
    labelled: range


@dataclass(frozen=True, slots=True)
class Room:
    """Tokens that a call has for the steps, and that the answer takes for each step it labels."""

    tokens: int
    answer: int


def whole(steps: Sequence[int], room: Room) -> Iterator[Part]:
    """One call for the whole run. `steps` are the tokens of each."""
    need = sum(steps) + room.answer * len(steps)
    if need > room.tokens:
        raise TooLongError(
            f"{len(steps)} steps need {need} tokens, the context has room for {room.tokens}"
        )
    yield Part(range(len(steps)), range(len(steps)))


def windows(steps: Sequence[int], room: Room, overlap: int) -> Iterator[Part]:
    """As few calls as the context allows, each with up to `overlap` steps of context before.

    Context gives way to a step that has no room beside it.
    """
    start = 0
    while start < len(steps):
        first = max(start - overlap, 0)
        need = sum(steps[first : start + 1]) + room.answer
        while need > room.tokens and first < start:
            need -= steps[first]
            first += 1
        if need > room.tokens:
            raise _alone(start, need, room)
        end = start + 1
        while end < len(steps) and (more := need + steps[end] + room.answer) <= room.tokens:
            need, end = more, end + 1
        yield Part(range(first, end), range(start, end))
        start = end


def each(steps: Sequence[int], room: Room) -> Iterator[Part]:
    """One call a step, which shows the run up to it.

    Where that is too long, the oldest steps go until the context is half full: seldom and many at
    once, so that the calls between two such cuts share their beginning.
    """
    first = held = 0
    for index, tokens in enumerate(steps):
        held += tokens
        if held + room.answer > room.tokens:
            while first < index and held + room.answer > room.tokens // 2:
                held -= steps[first]
                first += 1
        if held + room.answer > room.tokens:
            raise _alone(index, held + room.answer, room)
        yield Part(range(first, index + 1), range(index, index + 1))


def _alone(index: int, need: int, room: Room) -> TooLongError:
    return TooLongError(
        f"step {index} alone needs {need} tokens, the context has room for {room.tokens}"
    )


NOTES = 100
"""Characters a step beside its own text: marks, line breaks, notes on what is not shown."""


@dataclass(frozen=True)
class Rendering:
    spec: LlmSpec
    prompt: Prompt
    run: SeenRun
    count: Count

    @cached_property
    def frame(self) -> tuple[int, int]:
        """Tokens and characters of what every request holds: the prompt without task and steps."""
        nothing = StepView(0, "", "", (), ())
        messages = self._render((nothing,), [], "", range(1))
        return self._counted(messages), _size(messages)

    def messages(self, part: Part) -> list[Message]:
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
        tokens, size = self.frame
        size += len(self.run.task) + sum(len(step.text) for step in shown)
        notes = _size(messages) - size
        if abs(notes) > NOTES * (len(shown) + 1):
            return self._counted(messages)
        held = sum(self.run.tokens[part.shown.start : part.shown.stop])
        return tokens + self.run.task_tokens + held + tokens_of(max(notes, 0))

    def _counted(self, messages: list[Message]) -> int:
        return sum(self.count(message["content"]) for message in messages)


def _size(messages: list[Message]) -> int:
    return sum(len(message["content"]) for message in messages)


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
    """The requests that label a run; windows of it where one does not hold it, unless `too_long`
    or a prompt that asks for all steps forbids that.

    Raises TooLongError where the run, or in windows and steps one step of it, is beyond the
    context; SrftError where the prompt or `sampling.options` are wrong.
    """
    if taken := sorted(OURS & spec.sampling.options.keys()):
        raise SrftError(f"sampling.options must not hold {', '.join(taken)}: srft sets them itself")
    count = counter(spec.context.tokenizer)
    ready = see(run, seen, spec.sees, spec.context, count)
    if not ready.steps:
        return Asked((), ready.cuts, 0)
    rendering = Rendering(spec, prompt, ready, count)
    try:
        return _asked(rendering, run)
    except TooLongError:
        if spec.reading != "whole" or spec.too_long != "windows" or not prompt.asks_for_some:
            raise
    in_windows = spec.model_copy(update={"reading": "windows"})
    return _asked(replace(rendering, spec=in_windows), run)


def _asked(rendering: Rendering, run: Trajectory) -> Asked:
    spec, requests, tokens = rendering.spec, [], 0
    for part in _parts(rendering):
        messages = rendering.messages(part)
        asked = rendering.tokens(messages, part)
        _check_fits(spec, part, asked)
        requests.append(Request(_body(spec, messages, part), part.labelled, run.trajectory_id))
        tokens += asked
    return Asked(tuple(requests), rendering.run.cuts, tokens)


def _parts(rendering: Rendering) -> Iterator[Part]:
    spec, run = rendering.spec, rendering.run
    taken = SPARE + ANSWER_START + rendering.frame[0] + run.task_tokens
    room = Room(max(spec.context.tokens - taken, 0), spec.sampling.max_tokens_per_step)
    match spec.reading:
        case "whole":
            return whole(run.tokens, room)
        case "windows":
            return windows(run.tokens, room, spec.overlap)
        case "steps":
            return each(run.tokens, room)


def _check_fits(spec: LlmSpec, part: Part, tokens: int) -> None:
    need = tokens + _answer_tokens(spec, part)
    if need > spec.context.tokens:
        raise TooLongError(
            f"steps {part.labelled[0]} to {part.labelled[-1]} need {need} tokens, the context has "
            f"{spec.context.tokens}: does the prompt show the run twice?"
        )


def _body(spec: LlmSpec, messages: list[Message], part: Part) -> dict[str, Any]:
    sampling = spec.sampling
    return {
        "model": spec.model,
        "messages": messages,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_tokens": _answer_tokens(spec, part),
        **({} if sampling.seed is None else {"seed": sampling.seed}),
        **constraint(part.labelled, spec),
        **sampling.options,
    }


def _answer_tokens(spec: LlmSpec, part: Part) -> int:
    return ANSWER_START + spec.sampling.max_tokens_per_step * len(part.labelled)
