"""Tokenizing renderings: fast, and with the character range of every token."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from srft_assets.tokens.encoded import Encoded
from srft_assets.tokens.errors import RunRefusedError
from srft_assets.tokens.render import Rendering
from srft_assets.tokens.tokenizer import ChatTokenizer


def encode(
    renderings: Sequence[Rendering], tokenizer: ChatTokenizer
) -> list[Encoded | RunRefusedError]:
    """Tokenize a batch, in parallel over its renderings; one result for each, in order.

    The ids equal those of tokenizing `Rendering.text`, but for text of the run that looks like a
    special token: it becomes ordinary tokens, never the special one. Offsets are asked of the
    tokenizer, which doubles its work, only where the bytes of the tokens are not those of the
    text: a normalizer changed it, or the vocabulary is of another kind.
    """
    plain = [rendering.text for rendering in renderings if not rendering.literals]
    whole = iter(tokenizer.fast_backend.ids(plain))
    results: list[Encoded | RunRefusedError] = []
    for rendering in renderings:
        try:
            cut = _cut(rendering, tokenizer)
            found = next(whole) if not rendering.literals else cut.ids(tokenizer)
            results.append(
                _by_bytes(found, rendering.text, tokenizer) or _by_offsets(cut, tokenizer)
            )
        except RunRefusedError as error:
            results.append(error)
    return results


def _by_bytes(ids: np.ndarray, text: str, tokenizer: ChatTokenizer) -> Encoded | None:
    """Offsets as running lengths of the tokens' bytes, if these are the bytes of the text."""
    if tokenizer.token_bytes is None:
        return None
    data = text.encode()
    if b"".join(tokenizer.token_table[ids].tolist()) != data:
        return None
    lengths = tokenizer.token_lengths[ids]
    ends = np.cumsum(lengths)
    return Encoded(ids, ends - lengths, ends, _places(data, text), exact=True)


def _places(data: bytes, text: str) -> np.ndarray | None:
    """Where the bytes of each character start, and where the last one ends."""
    if len(data) == len(text):
        return None
    heads = np.flatnonzero((np.frombuffer(data, dtype=np.uint8) & 0xC0) != 0x80)
    return np.append(heads, len(data))


@dataclass(frozen=True, slots=True)
class _Cut:
    """A text in stretches: where each starts, and the text, or the id of a special token."""

    starts: list[int]
    parts: list[str | int]
    backend: Any

    def encodings(self, offsets: bool) -> list[Any]:
        """Encodings of the parts that are text, in order."""
        texts = [part for part in self.parts if isinstance(part, str)]
        ask = self.backend.encode_batch if offsets else self.backend.encode_batch_fast
        return ask(texts, add_special_tokens=False)

    def ids(self, tokenizer: ChatTokenizer) -> np.ndarray:
        """Token ids. Raises RunRefusedError where ordinary text becomes a special token."""
        encodings = iter(self.encodings(offsets=False))
        special = set(tokenizer.special_ids.values())
        ids: list[int] = []
        for part in self.parts:
            found = [part] if isinstance(part, int) else next(encodings).ids
            if isinstance(part, str) and not special.isdisjoint(found):
                raise RunRefusedError(
                    "the tokenizer makes special tokens of text that only looks like one"
                )
            ids += found
        return np.array(ids, dtype=np.int32)


def _cut(rendering: Rendering, tokenizer: ChatTokenizer) -> _Cut:
    """In one piece; with literals at the template's own special tokens, as the tokenizer cuts,
    and the rest goes to a copy of it that knows no special tokens."""
    if not rendering.literals:
        return _Cut([0], [rendering.text], tokenizer.backend)
    if tokenizer.greedy_specials:
        raise RunRefusedError(
            "the run holds text that looks like a special token, and special tokens of this "
            "tokenizer take in the white space beside them"
        )
    literal_starts = {start for start, _ in rendering.literals}
    borders = [0]
    parts: list[str | int] = []
    for found in tokenizer.special_pattern.finditer(rendering.text):
        if found.start() in literal_starts:
            continue
        parts += [rendering.text[borders[-1] : found.start()], tokenizer.special_ids[found[0]]]
        borders += [found.start(), found.end()]
    parts.append(rendering.text[borders[-1] :])
    return _Cut(borders, parts, tokenizer.literal_backend)


def _by_offsets(cut: _Cut, tokenizer: ChatTokenizer) -> Encoded:
    """Offsets as the tokenizer tells them, in characters."""
    encodings = iter(cut.encodings(offsets=True))
    ids: list[int] = []
    offsets: list[tuple[int, int]] = []
    for start, part in zip(cut.starts, cut.parts, strict=True):
        if isinstance(part, int):
            ids.append(part)
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
