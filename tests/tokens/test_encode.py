"""Ids with character ranges; borders; both ways of tokenizing agree."""

from collections.abc import Callable

import pytest

from srft_assets.tokens.mask import encode, mask_run
from srft_assets.tokens.render import Rendering
from srft_assets.tokens.tokenizer import ChatTokenizer
from tests.tokens.conftest import all_of, run_of

TEXT = "<|im_start|>user\nläuft 👩‍🚀 nicht<|im_end|>\n<|im_start|>assistant\nok<|im_end|>\n"


def every_stretch(text: str) -> list[tuple[int, int]]:
    return [(a, b) for a in range(0, len(text), 3) for b in range(a + 1, len(text) + 1, 5)]


def test_tokenizing_in_pieces_gives_the_same_ids_where_no_text_looks_special(
    chatml: ChatTokenizer,
) -> None:
    nothing_literal = ((len(TEXT), len(TEXT)),)
    whole = encode(Rendering(TEXT, (), ()), chatml)
    pieces = encode(Rendering(TEXT, (), nothing_literal), chatml)
    assert whole.ids.tolist() == pieces.ids.tolist()
    for start, end in every_stretch(TEXT):
        assert whole.tokens_within(start, end) == pieces.tokens_within(start, end)


def test_running_lengths_give_the_offsets_that_the_tokenizer_would_tell(
    tokenizer_with: Callable[..., ChatTokenizer], monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer = tokenizer_with()
    by_bytes = encode(Rendering(TEXT, (), ()), tokenizer)
    monkeypatch.setitem(tokenizer.__dict__, "token_bytes", None)
    by_offsets = encode(Rendering(TEXT, (), ()), tokenizer)
    assert by_bytes.exact
    assert not by_offsets.exact
    assert by_bytes.ids.tolist() == by_offsets.ids.tolist()
    for start, end in every_stretch(TEXT):
        assert by_bytes.tokens_within(start, end) == by_offsets.tokens_within(start, end)


def test_text_that_a_normalizer_changes_is_measured_by_the_tokenizer(
    tokenizer_with: Callable[..., ChatTokenizer],
) -> None:
    tokenizer = tokenizer_with(nfc=True)
    composed = encode(Rendering("caf\u00e9", (), ()), tokenizer)
    decomposed = encode(Rendering("cafe\u0301", (), ()), tokenizer)
    assert composed.exact
    assert not decomposed.exact
    assert composed.ids.tolist() == decomposed.ids.tolist()


def test_a_token_over_the_start_of_a_turn_is_not_trained(chatml: ChatTokenizer) -> None:
    chat = [
        {"role": "user", "content": "?"},
        {"role": "assistant", "content": "\n\nThe tests fail"},
    ]
    run = run_of(chat)
    row = mask_run(run, all_of(run), chatml)
    (span,) = row.spans
    before = chatml.backend.decode([int(row.input_ids[span.start - 1])])
    trained = row.input_ids[span.start : span.end].tolist()
    assert before == "\n\n"
    assert chatml.backend.decode(trained, skip_special_tokens=False) == "\nThe tests fail<|im_end|>"
