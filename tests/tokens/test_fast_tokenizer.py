"""fastokens gives the ids of the model's own tokenizer, or is not used."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from srft_assets.tokens import fast_tokenizer
from srft_assets.tokens.fast_tokenizer import DiffersError, FastTokenizer
from srft_assets.tokens.mask import Job, mask_runs
from srft_assets.tokens.row import MaskedRow
from srft_assets.tokens.tokenizer import ChatTokenizer
from tests.tokens.backends import KINDS, UNKNOWN, backend_of, without_merge
from tests.tokens.chats import SNIPPETS
from tests.tokens.conftest import all_of, run_of

TEXTS = ["<|im_start|>user\nläuft 👩‍🚀 nicht<|im_end|>\n", "def f(a):\n    return a\n", ""]
MELTED = "the tests fail, zqzq"
"""Text with a merge that none of `TEXTS` and of the probes has."""
PROSE = st.lists(st.one_of(st.sampled_from(SNIPPETS), st.text(max_size=20)), max_size=12)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of any size are worth it."""
    monkeypatch.setattr(fast_tokenizer, "WORTH", 0)


def own(backend: Any, texts: list[str]) -> list[list[int]]:
    return [one.ids for one in backend.encode_batch(texts, add_special_tokens=False)]


def given_by(fast: FastTokenizer, texts: list[str]) -> list[list[int]]:
    found = fast.ids(texts)
    assert all(ids.dtype == np.int32 for ids in found)
    return [ids.tolist() for ids in found]


def loaded_from(backend: Any) -> Callable[[Any], Any]:
    """A loader that takes another tokenizer than it is asked for."""
    load = fast_tokenizer._loaded
    return lambda _: load(backend)


@pytest.mark.parametrize("kind", KINDS)
def test_ids_are_those_of_the_tokenizer(kind: str) -> None:
    backend = backend_of(kind)
    fast = FastTokenizer(backend)
    assert given_by(fast, TEXTS) == own(backend, TEXTS)
    assert fast.refused is None

    @settings(max_examples=150, deadline=None)
    @given(st.lists(PROSE.map("".join), min_size=1, max_size=4))
    def any_text(texts: list[str]) -> None:
        assert given_by(fast, texts) == own(backend, texts)

    any_text()
    assert fast.refused is None


@pytest.mark.parametrize("kind", UNKNOWN)
def test_a_tokenizer_that_fastokens_does_not_know_tokenizes_itself(kind: str) -> None:
    backend = backend_of(kind)
    fast = FastTokenizer(backend)
    for _ in range(2):
        assert given_by(fast, TEXTS) == own(backend, TEXTS)
    assert fast.refused is not None


def test_without_fastokens_the_tokenizer_tokenizes_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fastokens", None)
    backend = backend_of("bytes")
    fast = FastTokenizer(backend)
    assert given_by(fast, TEXTS) == own(backend, TEXTS)
    assert fast.refused is not None
    assert "fastokens" in fast.refused


def another_vocabulary(backend: Any) -> Any:
    return backend_of("digits")


def without_zq(backend: Any) -> Any:
    return without_merge(backend, "z", "q")


@pytest.mark.parametrize(
    ("wrong", "more"),
    [(another_vocabulary, []), (without_zq, ["x" * 50_000 + MELTED])],
    ids=["another vocabulary", "a merge that no probe needs"],
)
def test_a_difference_in_the_first_batch_is_found_before_an_id_is_handed_out(
    wrong: Callable[[Any], Any], more: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = backend_of("bytes")
    monkeypatch.setattr(fast_tokenizer, "_loaded", loaded_from(wrong(backend)))
    fast = FastTokenizer(backend)
    texts = [*TEXTS, *more]
    assert given_by(fast, texts) == own(backend, texts)
    assert fast.refused is not None
    assert fast.refused.startswith("fastokens gives other ids")


def test_a_difference_later_ends_it_and_puts_what_came_before_in_doubt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    backend = backend_of("bytes")
    monkeypatch.setattr(fast_tokenizer, "_loaded", loaded_from(without_merge(backend, "z", "q")))
    fast = FastTokenizer(backend)
    assert given_by(fast, TEXTS) == own(backend, TEXTS)
    assert given_by(fast, TEXTS) == own(backend, TEXTS)
    assert fast.refused is None
    with pytest.raises(DiffersError, match=MELTED):
        fast.ids([MELTED])
    assert fast.refused is not None
    assert MELTED in fast.refused
    assert given_by(fast, [MELTED]) == own(backend, [MELTED])


def test_later_batches_are_compared_in_another_place_each(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = backend_of("bytes")
    monkeypatch.setattr(fast_tokenizer, "_loaded", loaded_from(without_merge(backend, "z", "q")))
    monkeypatch.setattr(fast_tokenizer, "SAMPLE", 20)
    fast = FastTokenizer(backend)
    fast.ids(TEXTS)
    texts = ["x y " * 10 + MELTED + " x y" * 10, "x y " * 25]
    batches = 0
    with pytest.raises(DiffersError):
        while batches < 50:
            fast.ids(texts)
            batches += 1
    assert 0 < batches < 50


class PanicException(BaseException):
    """As pyo3 raises it where Rust code panics."""


@pytest.mark.parametrize("error", [RuntimeError, PanicException])
def test_whatever_it_raises_the_tokenizer_goes_on(
    error: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise error("index out of bounds\nlong story")

    backend = backend_of("bytes")
    fast = FastTokenizer(backend)
    fast.ids(TEXTS)
    monkeypatch.setattr(fast_tokenizer, "_ids", fails)
    assert given_by(fast, TEXTS) == own(backend, TEXTS)
    assert fast.refused == f"{error.__name__}: index out of bounds"


def test_a_later_batch_that_it_cannot_encode_is_left_to_the_tokenizer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ids = fast_tokenizer._ids

    def lacks_a_byte(fast: Any, texts: list[str]) -> list[np.ndarray]:
        if any("\x13" in text for text in texts):
            raise ValueError("model error: byte 0x13 has no token in vocabulary")
        return ids(fast, texts)

    monkeypatch.setattr(fast_tokenizer, "_ids", lacks_a_byte)
    backend = backend_of("bytes")
    fast = FastTokenizer(backend)
    fast.ids(TEXTS)
    for texts, batches in ((["the"], 2), (["file \x13", "a"], 2), (["tests"], 3)):
        assert given_by(fast, texts) == own(backend, texts)
        assert fast._batches == batches
    assert fast.refused is None


def test_a_difference_in_the_second_batch_puts_nothing_in_doubt() -> None:
    backend = backend_of("bytes")
    fast = FastTokenizer(backend)
    fast.ids(TEXTS)
    fast._fast = fast_tokenizer._loaded(another_vocabulary(backend))
    assert given_by(fast, ["the 1234 tests"]) == own(backend, ["the 1234 tests"])
    assert fast.refused is not None
    assert fast._fast is None


def test_being_stopped_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(fast_tokenizer, "_loaded", stopped)
    fast = FastTokenizer(backend_of("bytes"))
    with pytest.raises(KeyboardInterrupt):
        fast.ids(TEXTS)


def test_rows_are_the_same_with_and_without(
    chatml: ChatTokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = ["läuft 👩‍🚀", "look <|im_end|> here", "\n\nzqzq", ""]
    runs = [
        run_of([{"role": "user", "content": one}, {"role": "assistant", "content": other}])
        for one in said
        for other in said
    ]
    jobs = [Job(run, all_of(run)) for run in runs]
    monkeypatch.setattr("srft_assets.tokens.mask.BATCH_CHARS", 100)

    loaded: list[bool] = []
    load = fast_tokenizer._loaded
    monkeypatch.setattr(fast_tokenizer, "_loaded", lambda one: loaded.append(True) or load(one))

    def rows(refused: str | None) -> list[tuple[list[int], object]]:
        tokenizer = ChatTokenizer("test", chatml.hf)
        tokenizer.fast.refused = refused
        found = [row for row in mask_runs(jobs, tokenizer) if isinstance(row, MaskedRow)]
        assert tokenizer.fast.refused == refused
        assert (loaded.pop() if loaded else False) == (refused is None)
        return [(row.input_ids.tolist(), row.spans) for row in found]

    assert rows(None) == rows("not wanted")
    assert rows(None)


def test_a_single_run_does_not_load_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    backend = backend_of("bytes")
    fast = FastTokenizer(backend)
    monkeypatch.setitem(sys.modules, "fastokens", None)
    assert given_by(fast, TEXTS) == own(backend, TEXTS)
    assert fast.refused is None


GROWTH = """
import random, sys
from tokenizers import Tokenizer
from srft_assets.tokens.fast_tokenizer import FastTokenizer

fast = FastTokenizer(Tokenizer.from_file(sys.argv[1]))
draw = random.Random(1)
held = []
for _ in range(16):
    words = draw.randbytes(2_400_000).hex().translate(str.maketrans("0123456789", "ghijklmnop"))
    fast.ids([" ".join(words[at : at + 12] for at in range(0, len(words), 12))])
    held.append(int(open("/proc/self/statm").read().split()[1]))
assert fast.refused is None
print(held[-1] / held[7])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc for the memory held")
def test_what_it_remembers_of_words_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text(backend_of("bytes").to_str())
    ran = subprocess.run(
        [sys.executable, "-c", GROWTH, path], capture_output=True, text=True, check=True
    )
    assert float(ran.stdout) < 1.1
