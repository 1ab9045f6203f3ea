"""Token ids and loss mask of runs, verified before they are handed out."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from srft_assets.outcomes.status import Status
from srft_assets.tokens.render import Rendering, Turn, render
from srft_assets.tokens.token_labels import MaskedRow, RunRefusedError, Span
from srft_assets.tokens.tokenizer import SPACE, ChatTokenizer
from srft_assets.trajectories.model import Trajectory

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


@dataclass(frozen=True, slots=True)
class Encoded:
    """Token ids of a rendering, and the half-open stretch of it that each stands for.

    Attributes:
        ids: int32.
        starts: where each token's stretch starts, in ascending order.
        ends: where it ends.
        places: character → place in the unit of `starts` and `ends`; None where they are
            characters.
        exact: whether the bytes of the tokens are, in order, those of the text. Then every
            stretch of tokens decodes to its stretch of the text.
    """

    ids: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    places: np.ndarray | None
    exact: bool

    def tokens_within(self, start: int, end: int) -> tuple[int, int]:
        """Half-open range of the tokens that stand for characters `[start, end)` only.

        A token that straddles the start is left out: it would be trained on what it does not own.
        With it go tokens that share a character with it (bytes of an emoji). A special token that
        takes in the white space after it counts up to its own end.
        """
        first = int(np.searchsorted(self.starts, self._place(start), "left"))
        last = int(np.searchsorted(self.starts, self._place(end), "left"))
        while 0 < first < last and not self._opens_a_character(first):
            first += 1
        return first, last

    def char_of(self, token: int) -> int:
        """The character at which a token's stretch starts."""
        place = int(self.starts[token])
        return place if self.places is None else int(np.searchsorted(self.places, place))

    def _place(self, char: int) -> int:
        return char if self.places is None else int(self.places[char])

    def _opens_a_character(self, token: int) -> bool:
        if self.places is None:
            return int(self.ends[token - 1]) <= int(self.starts[token])
        place = int(self.starts[token])
        return int(self.places[np.searchsorted(self.places, place)]) == place


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
    texts = [found.text for found in renderings if not found.literals]
    encodings = tokenizer.backend.encode_batch_fast(texts, add_special_tokens=False)
    plain = iter([np.array(one.ids, dtype=np.int32) for one in encodings])
    for job, found in batch:
        if isinstance(found, RunRefusedError):
            yield found
            continue
        ids = None if found.literals else next(plain)
        try:
            yield _row(job, found, encode(found, tokenizer, ids), tokenizer)
        except RunRefusedError as error:
            yield error


def encode(
    rendering: Rendering, tokenizer: ChatTokenizer, ids: np.ndarray | None = None
) -> Encoded:
    """The tokens of a rendering; `ids` are those of its text, where they are known already.

    They are what tokenizing the text gives, but for text of the run that looks like a special
    token: it becomes ordinary tokens, never the special one. Offsets are asked of the tokenizer,
    which doubles its work, only where the bytes of the tokens are not those of the text: a
    normalizer changed it, or the vocabulary is of another kind. Raises RunRefusedError.
    """
    stretches = None
    if ids is None:
        ids, stretches = by_pieces(rendering, tokenizer)
    found = _by_bytes(ids, rendering.text, tokenizer)
    if found is not None:
        return found
    if stretches is None:
        ids, stretches = by_pieces(rendering, tokenizer)
    starts, ends = stretches[:, 0], stretches[:, 1]
    if (np.diff(starts) < 0).any():
        raise RunRefusedError("the tokenizer's tokens do not follow the order of the text")
    return Encoded(ids, starts, ends, None, exact=False)


def _by_bytes(ids: np.ndarray, text: str, tokenizer: ChatTokenizer) -> Encoded | None:
    """Offsets as running lengths of the tokens' bytes, if these are the bytes of the text."""
    if tokenizer.token_bytes is None:
        return None
    data = text.encode()
    if b"".join(tokenizer.token_bytes[ids].tolist()) != data:
        return None
    lengths = tokenizer.token_lengths[ids]
    ends = np.cumsum(lengths)
    places = None
    if len(data) != len(text):
        heads = np.flatnonzero((np.frombuffer(data, dtype=np.uint8) & 0xC0) != 0x80)
        places = np.append(heads, len(data))
    return Encoded(ids, ends - lengths, ends, places, exact=True)


def by_pieces(rendering: Rendering, tokenizer: ChatTokenizer) -> tuple[np.ndarray, np.ndarray]:
    """Ids, and the stretch of characters of each as the tokenizer tells it, of shape (tokens, 2).

    Raises RunRefusedError where text that only looks like a special token becomes one.
    """
    pieces = _pieces(rendering, tokenizer)
    backend = tokenizer.literal_backend if rendering.literals else tokenizer.backend
    texts = [piece for _, piece in pieces if isinstance(piece, str)]
    encodings = iter(backend.encode_batch(texts, add_special_tokens=False))
    special = set(tokenizer.special_ids.values()) if rendering.literals else set()
    ids: list[int] = []
    offsets: list[tuple[int, int]] = []
    for start, piece in pieces:
        if isinstance(piece, int):
            ids.append(piece)
            offsets.append((start, start + 1))
            continue
        encoding = next(encodings)
        if not special.isdisjoint(encoding.ids):
            raise RunRefusedError(
                "the tokenizer makes special tokens of text that only looks like one"
            )
        ids += encoding.ids
        offsets += [(start + head, start + tail) for head, tail in encoding.offsets]
    return np.array(ids, dtype=np.int32), np.array(offsets, dtype=np.int64).reshape(-1, 2)


def _pieces(rendering: Rendering, tokenizer: ChatTokenizer) -> list[tuple[int, str | int]]:
    """The text in pieces: where each starts, and the text or the id of a special token.

    In one piece, or with literals cut at the template's own special tokens, as the tokenizer cuts
    it; what lies between them goes to a tokenizer that knows no special tokens.
    """
    if not rendering.literals:
        return [(0, rendering.text)]
    if tokenizer.greedy_specials:
        raise RunRefusedError(
            "the run holds text that looks like a special token, and special tokens of this "
            "tokenizer take in the white space beside them"
        )
    literal_starts = {start for start, _ in rendering.literals}
    pieces: list[tuple[int, str | int]] = []
    border = 0
    for found in tokenizer.special_pattern.finditer(rendering.text):
        if found.start() not in literal_starts:
            pieces.append((border, rendering.text[border : found.start()]))
            pieces.append((found.start(), tokenizer.special_ids[found[0]]))
            border = found.end()
    return [*pieces, (border, rendering.text[border:])]


def _row(job: Job, rendering: Rendering, tokens: Encoded, tokenizer: ChatTokenizer) -> MaskedRow:
    weighted = not {0.0, 1.0}.issuperset(job.weights.values())
    spans, asked = [], []
    for turn in rendering.turns:
        asked.append(tokens.tokens_within(turn.asked, turn.start)[0])
        start, end = tokens.tokens_within(turn.start, turn.end)
        weight = 0.0 if turn.broken else float(job.weights[turn.step_index])
        label = job.labels.get(turn.step_index)
        stated = weight if weighted and weight else None
        span = Span(turn.step_index, start, end, weight > 0, label, stated)
        _verify(span, turn, rendering, tokens, tokenizer)
        spans.append(span)
    for before, after in pairwise(spans):
        if before.end > after.start:
            raise RunRefusedError(f"steps {before.step_index} and {after.step_index} overlap")
    return MaskedRow(
        job.run.trajectory_id,
        job.run.instance_id,
        str(job.status),
        tokens.ids,
        tuple(spans),
        asked=tuple(asked),
        thinking_dropped=rendering.thinking_dropped,
        broken_calls=sum(turn.broken for turn in rendering.turns),
    )


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
