"""From a run to the requests that ask a model about it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from srft_assets.critic.answer.schema import constraint
from srft_assets.critic.call import Request
from srft_assets.critic.prompt.count import counter
from srft_assets.critic.prompt.cut import Cut
from srft_assets.critic.prompt.reading import Part, Room, TooLongError, each, whole, windows
from srft_assets.critic.prompt.rendering import Rendering
from srft_assets.critic.prompt.seen import Seen, see
from srft_assets.critic.prompt.template import Message, Prompt
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
    rendering = Rendering(spec, prompt, ready, count)
    requests, tokens = [], 0
    for part in _parts(rendering):
        messages = rendering.messages(part)
        asked = rendering.tokens(messages, part)
        _check_fits(spec, part, asked)
        requests.append(Request(_body(spec, messages, part), part.labelled, run.trajectory_id))
        tokens += asked
    return Asked(tuple(requests), ready.cuts, tokens)


def _parts(rendering: Rendering) -> Iterator[Part]:
    spec, run = rendering.spec, rendering.run
    taken = SPARE + ANSWER_START + rendering.frame.tokens + run.task_tokens
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
