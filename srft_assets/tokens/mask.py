"""Token ids and loss mask of a run, verified."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from srft_assets.outcomes.model import Status
from srft_assets.tokens.encode import Encoded, encode
from srft_assets.tokens.errors import RunRefusedError
from srft_assets.tokens.render import Rendering, Turn, render
from srft_assets.tokens.row import MaskedRow, Span
from srft_assets.tokens.tokenizer import ChatTokenizer
from srft_assets.trajectories.model import Trajectory

BATCH_CHARS = 4_000_000
"""Rendered characters that are tokenized together, so that memory stays bounded."""


@dataclass(frozen=True, slots=True)
class Job:
    """A run to mask: step_index → whether it is trained, and the critic's label if there is one."""

    run: Trajectory
    keep: Mapping[int, bool]
    labels: Mapping[int, str] = field(default_factory=dict)
    status: str = Status.UNKNOWN


def mask_run(
    run: Trajectory,
    keep: Mapping[int, bool],
    template: ChatTokenizer,
    *,
    labels: Mapping[int, str] | None = None,
    status: str = Status.UNKNOWN,
) -> MaskedRow:
    """Token ids and spans of one run. Raises RunRefusedError; see `mask_runs`."""
    (row,) = mask_runs([Job(run, keep, labels or {}, status)], template)
    if isinstance(row, RunRefusedError):
        raise row
    return row


def mask_runs(
    jobs: Iterable[Job], template: ChatTokenizer
) -> Iterator[MaskedRow | RunRefusedError]:
    """One row or one refusal for each job, in order; tokenized in batches.

    A row is handed out only if its trained tokens decode to exactly the text of the accepted
    turns, end-of-turn tokens included. Where a token straddles the start of a turn (an answer
    that opens with a line break melts into the one before it), that token is not trained.
    """
    held: list[tuple[Job, Rendering | RunRefusedError]] = []
    chars = 0
    for job in jobs:
        try:
            rendering = render(job.run, template)
            chars += len(rendering.text)
            held.append((job, rendering))
        except RunRefusedError as error:
            held.append((job, error))
        if chars >= BATCH_CHARS:
            yield from _mask_batch(held, template)
            held, chars = [], 0
    yield from _mask_batch(held, template)


def _mask_batch(
    held: Sequence[tuple[Job, Rendering | RunRefusedError]], template: ChatTokenizer
) -> Iterator[MaskedRow | RunRefusedError]:
    renderings = [found for _, found in held if isinstance(found, Rendering)]
    encoded = encode(renderings, template)
    for job, found in held:
        if isinstance(found, RunRefusedError):
            yield found
            continue
        tokens = next(encoded)
        if isinstance(tokens, RunRefusedError):
            yield tokens
            continue
        try:
            yield _row(job, found, tokens, template)
        except RunRefusedError as error:
            yield error


def _row(job: Job, rendering: Rendering, tokens: Encoded, template: ChatTokenizer) -> MaskedRow:
    spans = []
    for turn in rendering.turns:
        start, end = tokens.tokens_within(turn.start, turn.end)
        span = Span(
            turn.step_index,
            start,
            end,
            bool(job.keep[turn.step_index]),
            job.labels.get(turn.step_index),
        )
        _verify(span, turn, rendering, tokens, template)
        spans.append(span)
    for before, after in pairwise(spans):
        if before.end > after.start:
            raise RunRefusedError(f"steps {before.step_index} and {after.step_index} overlap")
    run = job.run
    return MaskedRow(run.trajectory_id, run.instance_id, str(job.status), tokens.ids, tuple(spans))


def _verify(
    span: Span, turn: Turn, rendering: Rendering, tokens: Encoded, template: ChatTokenizer
) -> None:
    """The span ends with the end-of-turn token; if trained, it decodes to the turn's text."""
    ids = tokens.ids[span.start : span.end]
    if not len(ids) or int(ids[-1]) != template.special_ids[turn.terminator]:
        raise RunRefusedError(
            f"step {span.step_index} does not end with its end-of-turn token {turn.terminator}"
        )
    if not span.trained:
        return
    start = max(turn.start, tokens.chars_of(span.start)[0])
    if start > turn.start and not _straddles(tokens.chars_of(span.start - 1), turn.start, start):
        raise RunRefusedError(f"no token stands for the first characters of step {span.step_index}")
    text = rendering.text[start : turn.end]
    decoded = template.backend.decode(ids.tolist(), skip_special_tokens=False)
    if decoded != text and decoded != template.normalized(text):
        at = next((i for i, (a, b) in enumerate(zip(decoded, text, strict=False)) if a != b), 0)
        raise RunRefusedError(
            f"the tokens of step {span.step_index} do not decode to its text: "
            f"{decoded[at : at + 20]!r} for {text[at : at + 20]!r}"
        )


def _straddles(chars: tuple[int, int], border: int, end: int) -> bool:
    return chars[0] < border and chars[1] >= end
