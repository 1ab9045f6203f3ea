"""Renderings as token ids that remember which characters they stand for."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from srft_assets.tokens.errors import RunRefusedError
from srft_assets.tokens.render import Rendering
from srft_assets.tokens.tokenizer import ChatTokenizer


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of the text that was tokenized by itself, at these characters and tokens."""

    char: int
    chars: int
    token: int
    encoding: Any
    """A `tokenizers.Encoding`; None for one special token that the template wrote."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """Token ids (int32) of a rendering. Mostly it is one piece; see `encode`."""

    ids: np.ndarray
    pieces: tuple[Piece, ...]

    def tokens_within(self, start: int, end: int) -> tuple[int, int]:
        """Half-open token range of the tokens that lie wholly in characters `[start, end)`.

        A token over the border is left out: it would be trained on what it does not own. Tokens
        that stand for one character together (bytes of an emoji) share its borders. A special
        token that takes in the white space after it counts up to its own end.
        """
        first = self._token_at(start, end)
        last = self._token_at(end - 1, end)
        if first is None or last is None:
            return 0, 0
        if self.chars_of(first)[0] < start:
            first = self._next_char_token(first)
        return first, last + 1

    def chars_of(self, token: int) -> tuple[int, int]:
        """Half-open character range of a token."""
        piece = self.pieces[bisect_right(self.pieces, token, key=lambda piece: piece.token) - 1]
        if piece.encoding is None:
            return piece.char, piece.char + piece.chars
        start, end = piece.encoding.token_to_chars(token - piece.token)
        return piece.char + start, piece.char + end

    def _token_at(self, char: int, limit: int) -> int | None:
        """The token over a character, or over the next one below `limit` that has a token."""
        for position in range(char, limit):
            piece = self.pieces[bisect_right(self.pieces, position, key=lambda p: p.char) - 1]
            if piece.encoding is None:
                return piece.token
            token = piece.encoding.char_to_token(position - piece.char)
            if token is not None:
                return piece.token + token
        return None

    def _next_char_token(self, token: int) -> int:
        """The first token after this one that stands for other characters."""
        chars = self.chars_of(token)
        while token < len(self.ids) and self.chars_of(token) == chars:
            token += 1
        return token


def encode(
    renderings: Sequence[Rendering], tokenizer: ChatTokenizer
) -> Iterator[Encoded | RunRefusedError]:
    """Tokenize a batch, in parallel over its renderings; one result for each, in order.

    The ids equal those of tokenizing `Rendering.text`, but for text of the run that looks like a
    special token: it becomes ordinary tokens, never the special one.
    """
    plain = [rendering.text for rendering in renderings if not rendering.literals]
    encodings = iter(tokenizer.backend.encode_batch(plain, add_special_tokens=False))
    for rendering in renderings:
        if not rendering.literals:
            yield _whole(next(encodings))
            continue
        try:
            yield _in_pieces(rendering, tokenizer)
        except RunRefusedError as error:
            yield error


def _whole(encoding: Any) -> Encoded:
    ids = np.array(encoding.ids, dtype=np.int32)
    return Encoded(ids, (Piece(0, 0, 0, encoding),))


def _in_pieces(rendering: Rendering, tokenizer: ChatTokenizer) -> Encoded:
    """Cut at the template's own special tokens, as the tokenizer does, and tokenize the rest
    with a copy that knows no special tokens."""
    literal_starts = {start for start, _ in rendering.literals}
    cuts = [
        found.span()
        for found in tokenizer.special_pattern.finditer(rendering.text)
        if found.start() not in literal_starts
    ]
    borders = [(0, 0), *cuts, (len(rendering.text), len(rendering.text))]
    texts = [rendering.text[end:start] for (_, end), (start, _) in pairwise(borders)]
    encodings = tokenizer.literal_backend.encode_batch(texts, add_special_tokens=False)
    ids: list[int] = []
    pieces: list[Piece] = []
    for (_, start), (end, after), encoding in zip(borders, borders[1:], encodings, strict=False):
        if encoding.ids:
            pieces.append(Piece(start, end - start, len(ids), encoding))
            ids += encoding.ids
        if after > end:
            pieces.append(Piece(end, after - end, len(ids), None))
            ids.append(tokenizer.special_ids[rendering.text[end:after]])
    _check_specials(ids, len(cuts), tokenizer)
    return Encoded(np.array(ids, dtype=np.int32), tuple(pieces))


def _check_specials(ids: list[int], written: int, tokenizer: ChatTokenizer) -> None:
    special = set(tokenizer.special_ids.values())
    if sum(number in special for number in ids) != written:
        raise RunRefusedError("the tokenizer makes special tokens of text that only looks like one")
