"""Tokenizing renderings, with the stretch of the text that every token stands for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from srft_assets.tokens.render import Rendering
from srft_assets.tokens.row import RunRefusedError
from srft_assets.tokens.tokenizer import ChatTokenizer


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


def encode(
    renderings: Sequence[Rendering], tokenizer: ChatTokenizer
) -> list[Encoded | RunRefusedError]:
    """Tokenize a batch; one result for each rendering, in order.

    The ids equal those of tokenizing `Rendering.text`, but for text of the run that looks like a
    special token: it becomes ordinary tokens, never the special one. Offsets are asked of the
    tokenizer, which doubles its work, only where the bytes of the tokens are not those of the
    text: a normalizer changed it, or the vocabulary is of another kind. Raises DiffersError, see
    `FastTokenizer.ids`.
    """
    plain = iter(tokenizer.fast.ids([one.text for one in renderings if not one.literals]))
    results: list[Encoded | RunRefusedError] = []
    for rendering in renderings:
        try:
            ids = _literal_ids(rendering, tokenizer) if rendering.literals else next(plain)
            results.append(
                _by_bytes(ids, rendering.text, tokenizer) or _by_offsets(rendering, tokenizer)
            )
        except RunRefusedError as error:
            results.append(error)
    return results


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


def _by_offsets(rendering: Rendering, tokenizer: ChatTokenizer) -> Encoded:
    """Offsets as the tokenizer tells them, in characters."""
    pieces = _pieces(rendering, tokenizer)
    backend = tokenizer.literal_backend if rendering.literals else tokenizer.backend
    encodings = iter(backend.encode_batch(_texts(pieces), add_special_tokens=False))
    ids: list[int] = []
    offsets: list[tuple[int, int]] = []
    for start, piece in pieces:
        if isinstance(piece, int):
            ids.append(piece)
            offsets.append((start, start + 1))
            continue
        encoding = next(encodings)
        ids += encoding.ids
        offsets += [(start + head, start + tail) for head, tail in encoding.offsets]
    stretches = np.array(offsets, dtype=np.int64).reshape(-1, 2)
    starts, ends = stretches[:, 0], stretches[:, 1]
    if (np.diff(starts) < 0).any():
        raise RunRefusedError("the tokenizer's tokens do not follow the order of the text")
    return Encoded(np.array(ids, dtype=np.int32), starts, ends, None, exact=False)


def _literal_ids(rendering: Rendering, tokenizer: ChatTokenizer) -> np.ndarray:
    """Ids of a text with literals. Raises RunRefusedError where one becomes a special token."""
    pieces = _pieces(rendering, tokenizer)
    found = tokenizer.literal_backend.encode_batch_fast(_texts(pieces), add_special_tokens=False)
    encodings, special = iter(found), set(tokenizer.special_ids.values())
    ids: list[int] = []
    for _, piece in pieces:
        of_piece = [piece] if isinstance(piece, int) else next(encodings).ids
        if isinstance(piece, str) and not special.isdisjoint(of_piece):
            raise RunRefusedError(
                "the tokenizer makes special tokens of text that only looks like one"
            )
        ids += of_piece
    return np.array(ids, dtype=np.int32)


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


def _texts(pieces: Sequence[tuple[int, Any]]) -> list[str]:
    return [piece for _, piece in pieces if isinstance(piece, str)]
