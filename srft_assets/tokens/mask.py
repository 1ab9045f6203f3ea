"""Token ids and loss mask of a run, verified before they are handed out."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeVar

from srft_assets.outcomes.status import Status
from srft_assets.tokens.encode import Encoded, encode
from srft_assets.tokens.render import Rendering, Turn, render
from srft_assets.tokens.row import MaskedRow, RunRefusedError, Span
from srft_assets.tokens.tokenizer import SPACE, ChatTokenizer
from srft_assets.trajectories.model import Trajectory

T = TypeVar("T")

BATCH_CHARS = 1_000_000
"""Rendered characters that are tokenized together, so that memory stays bounded."""


@dataclass(frozen=True, slots=True)
class Job:
    """A run to mask.

    Attributes:
        weights: step_index → loss weight, 0 where the step is masked; True and False are 1 and 0.
        labels: step_index → the critic's label, if there is one.
    """

    run: Trajectory
    weights: Mapping[int, float]
    labels: Mapping[int, str] = field(default_factory=dict)
    status: str = Status.UNKNOWN


def mask_run(
    run: Trajectory,
    weights: Mapping[int, float],
    tokenizer: ChatTokenizer,
    *,
    labels: Mapping[int, str] | None = None,
    status: str = Status.UNKNOWN,
) -> MaskedRow:
    """Token ids and spans of one run. Raises RunRefusedError; see `mask_runs`."""
    (row,) = mask_runs([Job(run, weights, labels or {}, status)], tokenizer)
    if isinstance(row, RunRefusedError):
        raise row
    return row


def mask_runs(
    jobs: Iterable[Job], tokenizer: ChatTokenizer
) -> Iterator[MaskedRow | RunRefusedError]:
    """One row or one refusal for each job, in order; a batch of `BATCH_CHARS` is held at a time.

    A row is handed out only if its trained tokens decode to exactly the text of the accepted
    turns, end-of-turn tokens included. Where a token straddles the start of a turn (an answer
    that opens with a line break melts into the one before it), that token is not trained.
    Raises DiffersError, see `FastTokenizer.ids`.
    """
    held: list[tuple[Job, Rendering | RunRefusedError]] = []
    chars = 0
    for job in jobs:
        try:
            rendering = render(job.run, tokenizer)
            chars += len(rendering.text)
            held.append((job, rendering))
        except RunRefusedError as error:
            held.append((job, error))
        if chars >= BATCH_CHARS:
            yield from _mask_batch(held, tokenizer)
            held, chars = [], 0
    yield from _mask_batch(held, tokenizer)


def _mask_batch(
    batch: Sequence[tuple[Job, Rendering | RunRefusedError]], tokenizer: ChatTokenizer
) -> Iterator[MaskedRow | RunRefusedError]:
    renderings = [found for _, found in batch if isinstance(found, Rendering)]
    encoded = iter(encode(renderings, tokenizer))
    for job, found in batch:
        try:
            rendering = _unrefused(found)
            yield _row(job, rendering, _unrefused(next(encoded)), tokenizer)
        except RunRefusedError as error:
            yield error


def _unrefused(found: T | RunRefusedError) -> T:
    if isinstance(found, RunRefusedError):
        raise found
    return found


def _row(job: Job, rendering: Rendering, tokens: Encoded, tokenizer: ChatTokenizer) -> MaskedRow:
    weighted = not {0.0, 1.0}.issuperset(job.weights.values())
    spans = []
    for turn in rendering.turns:
        start, end = tokens.tokens_within(turn.start, turn.end)
        weight = float(job.weights[turn.step_index])
        label = job.labels.get(turn.step_index)
        stated = weight if weighted and weight else None
        span = Span(turn.step_index, start, end, weight > 0, label, stated)
        _verify(span, turn, rendering, tokens, tokenizer)
        spans.append(span)
    for before, after in pairwise(spans):
        if before.end > after.start:
            raise RunRefusedError(f"steps {before.step_index} and {after.step_index} overlap")
    run = job.run
    return MaskedRow(run.trajectory_id, run.instance_id, str(job.status), tokens.ids, tuple(spans))


def _verify(
    span: Span, turn: Turn, rendering: Rendering, tokens: Encoded, tokenizer: ChatTokenizer
) -> None:
    """The span ends with the end-of-turn token; if trained, it decodes to the turn's text.

    Raises RunRefusedError.
    """
    ids = tokens.ids[span.start : span.end]
    where = f"step {span.step_index}"
    if not len(ids) or int(ids[-1]) != tokenizer.special_ids[turn.terminator]:
        raise RunRefusedError(f"{where} does not end with its end-of-turn token {turn.terminator}")
    if not span.trained:
        return
    start = max(turn.start, tokens.char_of(span.start))
    if melted := rendering.text[turn.start : start].strip():
        raise RunRefusedError(
            f"{melted!r}, the first characters of {where}, melt into the last token of the "
            "generation prompt; let the chat template end it with a line break or a special token"
        )
    if not tokens.exact:
        _check_decodes(ids.tolist(), rendering.text[start : turn.end], where, tokenizer)


def _check_decodes(ids: list[int], text: str, where: str, tokenizer: ChatTokenizer) -> None:
    """By the tokenizer's own decoder, to the text as its own normalizer leaves it."""
    decoded = tokenizer.decode(ids)
    normal = tokenizer.normalized(text)
    said = {text, normal, normal.replace(SPACE, " ")}
    if tokenizer.prepends_space:
        said |= {f" {one}" for one in said} | {one.removeprefix(" ") for one in said}
    if decoded not in said:
        at = next((i for i, (a, b) in enumerate(zip(decoded, text, strict=False)) if a != b), 0)
        raise RunRefusedError(
            f"the tokens of {where} do not decode to its text: "
            f"{decoded[at : at + 20]!r} for {text[at : at + 20]!r}"
        )
