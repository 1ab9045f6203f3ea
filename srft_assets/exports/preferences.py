"""Steps of runs as prompts and answers: which were good, and which were better than others.

All of it is read off the masked tokens: a context is shared where it is the same tokens.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from blake3 import blake3

from srft_assets.critic.verdict import Label
from srft_assets.exports.source import Masked, UnfitError
from srft_assets.outcomes.status import Status
from srft_assets.tokens.token_labels import MaskedRow, Span
from srft_assets.tokens.tokenizer import ChatTokenizer

BAD = (Label.MISTAKE, Label.UNNECESSARY)
LED_ON = (Label.GOOD, Label.RECOVER)
KEPT = 4
"""Most answers to one context that are held at a time."""

Runs = Callable[[], Iterable[Masked]]
"""Goes through all runs of an export, as often as it is called."""


def is_good(span: Span) -> bool | None:
    """Whether a step is one to learn; None where it is masked and nobody says that it is bad.

    A mistake is none, also in a run that is trained as a whole.
    """
    if span.label == Label.MISTAKE:
        return False
    if span.trained:
        return True
    return False if span.label == Label.UNNECESSARY else None


def steps_of(masked: Masked) -> Iterator[tuple[MaskedRow, Span]]:
    """The steps of a run, each with the row that it is in. Raises UnfitError."""
    for row in masked.rows:
        for span in row.spans:
            if not 0 < span.start < span.end <= row.n_tokens:
                raise UnfitError("a span lies outside its tokens", f"step {span.step_index}")
            yield row, span


@dataclass(frozen=True, slots=True)
class Answer:
    """What a run said to a context; `source` tells where it is from."""

    rank: tuple[int, int, str, int]
    trajectory_id: str
    tokens: np.ndarray
    source: str = "other run"


class Answers:
    """Steps that led on, by the context that they answer, for the contexts of the mistakes."""

    def __init__(self) -> None:
        self.found: dict[bytes, list[Answer]] = {}

    def gather(self, runs: Runs) -> None:
        """Go through the runs twice: for the mistakes, and for what others said in their place."""
        for key, _, _, span in _contexts(runs()):
            if span.label == Label.MISTAKE:
                self.found.setdefault(key, [])
        for key, masked, row, span in _contexts(runs()):
            if key in self.found and _led_on(row, span):
                self._add(key, masked, row, span)

    def _add(self, key: bytes, masked: Masked, row: MaskedRow, span: Span) -> None:
        """Another run of the same words says nothing new; of too many the worst goes."""
        tokens = row.input_ids[span.start : span.end]
        place = (masked.trajectory_id, span.step_index)
        rank = (row.status != Status.RESOLVED, span.label != Label.GOOD, *place)
        known = [one for one in self.found[key] if not np.array_equal(one.tokens, tokens)]
        same = [one for one in self.found[key] if np.array_equal(one.tokens, tokens)]
        answer = Answer(rank, masked.trajectory_id, tokens.copy())
        best = min([answer, *same], key=lambda one: one.rank)
        self.found[key] = sorted([*known, best], key=lambda one: one.rank)[:KEPT]

    def better(self, masked: Masked) -> Iterator[tuple[MaskedRow, Span, Answer]]:
        """The mistakes of a run, each with the best that was said to the same context.

        That is a step of another run of the task; else the recovery, where it comes at once.
        """
        for key, _, row, span in _contexts([masked]):
            if span.label != Label.MISTAKE:
                continue
            wrong = row.input_ids[span.start : span.end]
            others = [*self.found.get(key, []), *_recovery(masked.trajectory_id, row, span)]
            for answer in others:
                if not np.array_equal(answer.tokens, wrong):
                    yield row, span, answer
                    break


def _led_on(row: MaskedRow, span: Span) -> bool:
    """Whether it is trained, and was judged so or is of a run that passed."""
    passed = row.status == Status.RESOLVED and span.label not in BAD
    return span.trained and (passed or span.label in LED_ON)


def _recovery(trajectory_id: str, row: MaskedRow, mistake: Span) -> Iterator[Answer]:
    """The first step behind a mistake that is none itself, if it recovers and is trained."""
    later = [span for span in row.spans if span.step_index > mistake.step_index]
    first = next((span for span in later if span.label != Label.MISTAKE), None)
    if first is not None and first.label == Label.RECOVER and first.trained:
        tokens = row.input_ids[first.start : first.end]
        yield Answer((1, 0, trajectory_id, first.step_index), trajectory_id, tokens, "recovery")


def _contexts(runs: Iterable[Masked]) -> Iterator[tuple[bytes, Masked, MaskedRow, Span]]:
    """Each step with a digest of its task and of the tokens before it; unsound runs left out."""
    for masked in runs:
        try:
            steps = list(steps_of(masked))
        except UnfitError:
            continue  # The export refuses it, with the reason.
        row, place, hashed = None, 0, blake3()
        for here, span in steps:
            if here is not row:
                row, place, hashed = here, 0, blake3(here.instance_id.encode() + b"\n")
            hashed.update(here.input_ids[place : span.start].astype("<i4").tobytes())
            place = span.start
            yield hashed.digest(), masked, here, span


class TrlReader:
    """TRL with the model's tokenizer: it makes tokens of texts, which must be those of the masks.

    Attributes:
        answers: for pairs; empty until `gather`.
    """

    def __init__(self, tokenizer: ChatTokenizer) -> None:
        self.tokenizer = tokenizer
        self.settings: dict[str, Any] = {}
        self.answers = Answers()

    def gather(self, runs: Runs) -> None:
        """Find what was said to the contexts of the mistakes."""
        self.answers.gather(runs)

    def texts(self, prompt: np.ndarray, answer: np.ndarray) -> tuple[str, str]:
        """A context and what was said to it. Raises UnfitError unless TRL makes these tokens of it.

        Where the tokenizer puts a token before every text, the text of the context lacks it.
        """
        told, said = (self.tokenizer.decode(ids.tolist()) for ids in (prompt, answer))
        first = self.tokenizer.hf.bos_token
        if first and self._ids("")[:1] == [self.tokenizer.hf.bos_token_id]:
            told = told.removeprefix(first)
        if not said.endswith(self.tokenizer.hf.eos_token or "\0"):
            raise UnfitError("turns end with another token than eos_token, which TRL would append")
        whole = [*prompt.tolist(), *answer.tolist()]
        if self._ids(told) != whole[: len(prompt)] or self._ids(told + said) != whole:
            raise UnfitError("TRL would make other tokens of it than were masked")
        return told, said

    def _ids(self, text: str) -> list[int]:
        found: list[int] = self.tokenizer.hf(text)["input_ids"]
        return found
