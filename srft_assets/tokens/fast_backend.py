"""Token ids by fastokens, for as long as they are those of the model's own tokenizer.

fastokens reads the same `tokenizer.json` and is thirty times as fast, but it is young, tells no
offsets and does not know every kind of tokenizer. So nothing is taken on trust: its ids are
compared with those of the tokenizer, on `PROBES`, the special tokens and the whole first batch,
then on a stretch of every batch. Where it cannot load, fails or differs once, the tokenizer itself
does all the work from then on.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from srft_assets.tokens.probes import PROBES

WORTH = 500_000
"""Characters that a first batch must hold. To load takes 0.3 to 3 s and some 200 MB, and the first
batch is tokenized twice: a single run is done sooner without."""

SAMPLE = 10_000
"""Characters of every later batch that are compared: a hundredth of a batch of `BATCH_CHARS`."""


class DiffersError(Exception):
    """fastokens gives other ids than the model's tokenizer."""


class FastBackend:
    """Ids of whole texts, by fastokens while it agrees with `backend`, else by `backend`.

    Attributes:
        refused: why `backend` does the work itself; None where it need not.
        unchecked: texts since `begin` whose ids were not compared one by one.
        doubtful: whether there were any when fastokens was found to differ.
    """

    def __init__(self, backend: Any) -> None:
        self.backend = backend
        self.refused: str | None = None
        self.unchecked = 0
        self.doubtful = False
        self._fast: Any = None
        self._batches = 0

    def begin(self) -> None:
        """Begin to count anew: from here on the ids stand or fall together."""
        self.unchecked, self.doubtful = 0, False

    def ids(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Token ids (int32) of each text; special tokens in it are known, none are added."""
        if self.refused is None and (self._fast or sum(map(len, texts)) >= WORTH):
            try:
                return self._first(texts) if self._fast is None else self._later(texts)
            except BaseException as error:
                if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
                    raise
                self.refused = _first_line(error)
                self.doubtful = isinstance(error, DiffersError) and self.unchecked > 0
                self._fast = None
        return _own(self.backend, texts)

    def _first(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Of a first batch, all of it compared. Raises what fastokens raises, and DiffersError."""
        fast = _loaded(self.backend)
        probes = [*PROBES, *_with_special_tokens(self.backend)]
        for batch in (probes, texts):
            found = _by(fast, batch)
            _compare(batch, found, _own(self.backend, batch))
        self._fast = fast
        return found

    def _later(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Of a later batch, a stretch of one of its texts compared; another one every time."""
        self._batches += 1
        stretch = []
        if texts:
            text = texts[self._batches % len(texts)]
            start = self._batches * SAMPLE % max(1, len(text) - SAMPLE + 1)
            stretch = [text[start : start + SAMPLE]]
        try:
            _compare(stretch, _by(self._fast, stretch), _own(self.backend, stretch))
            found = _by(self._fast, texts)
        except ValueError:  # a byte that the vocabulary lacks, which the tokenizer leaves out
            return _own(self.backend, texts)
        self.unchecked += len(texts)
        return found


def _loaded(backend: Any) -> Any:
    from fastokens import Tokenizer

    fast = Tokenizer.from_json_str(backend.to_str())
    fast.no_truncation()
    fast.no_padding()
    return fast


def _with_special_tokens(backend: Any) -> list[str]:
    added = [token.content for token in backend.get_added_tokens_decoder().values()]
    return [joint.join(["a", *added, "b"]) for joint in ("", " ", "\n", " x")]


def _own(backend: Any, texts: Sequence[str]) -> list[np.ndarray]:
    found = backend.encode_batch_fast(list(texts), add_special_tokens=False) if texts else []
    return [np.array(one.ids, dtype=np.int32) for one in found]


def _by(fast: Any, texts: Sequence[str]) -> list[np.ndarray]:
    flat, borders = fast.encode_batch_flat(list(texts), add_special_tokens=False)
    ids = np.frombuffer(flat, dtype="<u4")
    places = np.frombuffer(borders, dtype="<u8").tolist()
    return [ids[start:end].astype(np.int32) for start, end in pairwise(places)]


def _compare(texts: Sequence[str], found: list[np.ndarray], own: list[np.ndarray]) -> None:
    for text, ours, theirs in zip(texts, found, own, strict=True):
        if not np.array_equal(ours, theirs):
            raise DiffersError(f"fastokens gives other ids than the tokenizer for {text[:40]!r}")


def _first_line(error: BaseException) -> str:
    line = (str(error).strip().splitlines() or [""])[0][:200]
    return line if isinstance(error, DiffersError) else f"{type(error).__name__}: {line}"
