"""Token ids and loss mask of a run, verified."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise

from srft_assets.outcomes.model import Status
from srft_assets.tokens.encode import encode
from srft_assets.tokens.encoded import Encoded
from srft_assets.tokens.errors import RunRefusedError
from srft_assets.tokens.memory import give_back
from srft_assets.tokens.render import Rendering, render
from srft_assets.tokens.row import MaskedRow, Span
from srft_assets.tokens.tokenizer import ChatTokenizer
from srft_assets.tokens.verify import verify
from srft_assets.trajectories.model import Trajectory

BATCH_CHARS = 1_000_000
"""Rendered characters that are tokenized together, so that memory stays bounded."""


@dataclass(frozen=True, slots=True)
class Job:
    """A run to mask: step_index → whether it is trained, and the critic's label if there is one."""

    run: Trajectory
    keep: Mapping[int, bool]
    labels: Mapping[int, str] = field(default_factory=dict)
    status: str = Status.UNKNOWN


_Rendered = tuple[Job, Rendering | RunRefusedError]


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
    """One row or one refusal for each job, in order.

    A row is handed out only if its trained tokens decode to exactly the text of the accepted
    turns, end-of-turn tokens included. Where a token straddles the start of a turn (an answer
    that opens with a line break melts into the one before it), that token is not trained.
    While one batch is tokenized on all cores, the next is rendered; no more are held.
    """
    with ThreadPoolExecutor(1) as worker:
        pending: tuple[list[_Rendered], Future] | None = None
        for batch in _batches(jobs, template):
            renderings = [found for _, found in batch if isinstance(found, Rendering)]
            started = worker.submit(encode, renderings, template)
            if pending is not None:
                yield from _mask_batch(*pending, template)
            pending = (batch, started)
        if pending is not None:
            yield from _mask_batch(*pending, template)
    give_back()


def _batches(jobs: Iterable[Job], template: ChatTokenizer) -> Iterator[list[_Rendered]]:
    """Jobs with their renderings, or why they have none, `BATCH_CHARS` at a time."""
    held: list[_Rendered] = []
    chars = 0
    for job in jobs:
        try:
            rendering = render(job.run, template)
            chars += len(rendering.text)
            held.append((job, rendering))
        except RunRefusedError as error:
            held.append((job, error))
        if chars >= BATCH_CHARS:
            yield held
            held, chars = [], 0
    if held:
        yield held


def _mask_batch(
    batch: Sequence[_Rendered], started: Future, template: ChatTokenizer
) -> Iterator[MaskedRow | RunRefusedError]:
    encoded = iter(started.result())
    for job, found in batch:
        tokens = found if isinstance(found, RunRefusedError) else next(encoded)
        if isinstance(found, RunRefusedError) or isinstance(tokens, RunRefusedError):
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
        verify(span, turn, rendering, tokens, template)
        spans.append(span)
    for before, after in pairwise(spans):
        if before.end > after.start:
            raise RunRefusedError(f"steps {before.step_index} and {after.step_index} overlap")
    run = job.run
    return MaskedRow(run.trajectory_id, run.instance_id, str(job.status), tokens.ids, tuple(spans))
