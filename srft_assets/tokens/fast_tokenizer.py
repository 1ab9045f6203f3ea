"""Token ids by fastokens, for as long as they are those of the model's own tokenizer.

fastokens reads the same `tokenizer.json` and is many times as fast, but it is young, tells no
offsets and does not know every kind of tokenizer. So its ids are compared with the tokenizer's:
on difficult texts, the special tokens and the whole first batch, then on a stretch of every batch.
Where it cannot load, fails or differs once, the tokenizer itself does all the work from then on; a
later batch that it cannot encode is left to the tokenizer alone.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

WORTH = 500_000
"""Characters that a first batch must hold for fastokens to be loaded: that takes 0.3 to 3 s and
some 200 MB, and the first batch is tokenized twice. A single run is done sooner without."""

SAMPLE = 10_000
"""Characters of every later batch that are compared."""

PROBES = (
    *("", " ", "\n\n\n \n", "\t\t x", "   trailing   ", "\r\n\r\na\r"),
    "\u00a0\u2003\u3000x\u2028y\u2029\u0085z",
    "I'm you'll they'VE don't 'tis l'été ’s ſ's K'M İ'LL",
    "camelCaseHTTPServer2Go_v1 a1b22c333 4444d",
    "1234567890 3.14159 1,000,000 0x1F ٣٤٥ ²³ ½ Ⅷ 10⁶",
    "läuft cafe\u0301 café A\u030a Å ﬁ ﷺ क्षि ไทย 한국어 \u1112\u1161\u11ab 漢字かな",
    "👩‍🚀👨‍👩‍👧‍👦 🇩🇪🇫 ☺️ 1️⃣",
    "\x00\x01\x1b[31m\x7f \u200b\u200d\ufeff\u202eabc\u202c \ufdd0\uffff\U0010ff00\U000e0001",
    "▁a ▁▁ Ġthe Ċ <0x0A> <unk>",
    *("x" * 3_000, " " * 3_000 + "x", "=-" * 1_500, "é" * 2_000, "\n" * 2_000),
    "def f(a: int) -> None:\n    '''Doc.'''\n\treturn {**a, 'k': [x != y for x in b[::-1]]}\n",
    "diff --git a/x.py b/x.py\n@@ -1,7 +1,9 @@\n-    old\n+    new\n\\ No newline at end of file\n",
    '{"name": "bash", "arguments": {"command": "sed -i \\"s/a/b/\\" f && ls -la | head -n5"}}\n',
)
"""Texts on which tokenizers differ most easily."""


class DiffersError(Exception):
    """fastokens gives other ids than the model's tokenizer, and has given ids before."""


class FastTokenizer:
    """Ids of whole texts, by fastokens while it agrees with `backend`, else by `backend`.

    Attributes:
        refused: why `backend` does the work itself; None where it need not.
    """

    def __init__(self, backend: Any) -> None:
        self.backend = backend
        self.refused: str | None = None
        self._fast: Any = None
        self._batches = 0

    def ids(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Token ids (int32) of each text; special tokens in it are known, none are added.

        Raises DiffersError where a difference shows after batches that were compared in part: what
        was handed out before is in doubt and is to be made again, by `backend` from now on.
        """
        agreed = self._batches > 0
        if self.refused is None and (agreed or sum(map(len, texts)) >= WORTH):
            try:
                return self._later(texts) if agreed else self._first(texts)
            except DiffersError as error:
                self._give_up(str(error))
                if self._batches > 1:
                    raise
            except BaseException as error:
                # A panic of the Rust code behind fastokens is no Exception.
                if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
                    raise
                # One text with a byte that the vocabulary lacks costs its own batch only.
                if not (agreed and isinstance(error, ValueError)):
                    line = (str(error).strip().splitlines() or [""])[0][:200]
                    self._give_up(f"{type(error).__name__}: {line}")
        return _own_ids(self.backend, texts)

    def _first(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Ids by fastokens, all compared. Raises DiffersError, and what fastokens raises."""
        self._fast = _loaded(self.backend)
        difficult = [*PROBES, *_special_tokens(self.backend)]
        found = self._compared([*difficult, *texts])[len(difficult) :]
        self._batches = 1
        return found

    def _later(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Ids by fastokens, a stretch of them compared. Raises as `_first`."""
        self._compared(self._stretch(texts))
        found = _ids(self._fast, texts)
        self._batches += 1
        return found

    def _compared(self, texts: Sequence[str]) -> list[np.ndarray]:
        found = _ids(self._fast, texts)
        for text, ours, own in zip(texts, found, _own_ids(self.backend, texts), strict=True):
            if not np.array_equal(ours, own):
                raise DiffersError(
                    f"fastokens gives other ids than the tokenizer for {text[:40]!r}"
                )
        return found

    def _give_up(self, why: str) -> None:
        """Leave all further work to the tokenizer, and free fastokens' memory."""
        self.refused, self._fast = why, None

    def _stretch(self, texts: Sequence[str]) -> list[str]:
        """A stretch of one of the texts, at another place in every batch."""
        if not texts:
            return []
        text = texts[self._batches % len(texts)]
        start = self._batches * SAMPLE % max(1, len(text) - SAMPLE + 1)
        return [text[start : start + SAMPLE]]


def _loaded(backend: Any) -> Any:
    from fastokens import Tokenizer

    fast = Tokenizer.from_json_str(backend.to_str())
    fast.no_truncation()
    fast.no_padding()
    return fast


def _special_tokens(backend: Any) -> list[str]:
    """All added tokens, beside one another and apart."""
    added = [token.content for token in backend.get_added_tokens_decoder().values()]
    return [joint.join(["a", *added, "b"]) for joint in ("", " ", "\n", " x")]


def _own_ids(backend: Any, texts: Sequence[str]) -> list[np.ndarray]:
    found = backend.encode_batch_fast(list(texts), add_special_tokens=False) if texts else []
    return [np.array(one.ids, dtype=np.int32) for one in found]


def _ids(fast: Any, texts: Sequence[str]) -> list[np.ndarray]:
    flat, borders = fast.encode_batch_flat(list(texts), add_special_tokens=False)
    ids = np.frombuffer(flat, dtype="<u4")
    places = np.frombuffer(borders, dtype="<u8").tolist()
    return [ids[start:end].astype(np.int32) for start, end in pairwise(places)]
