"""Ids with character ranges; borders; both ways of tokenizing agree."""

from srft_assets.tokens.encode import encode
from srft_assets.tokens.mask import mask_run
from srft_assets.tokens.render import Rendering
from srft_assets.tokens.tokenizer import ChatTokenizer
from tests.tokens.conftest import all_of, run_of

TEXT = "<|im_start|>user\nläuft 👩‍🚀 nicht<|im_end|>\n<|im_start|>assistant\nok<|im_end|>\n"


def test_tokenizing_in_pieces_gives_the_same_ids_where_no_text_looks_special(
    chatml: ChatTokenizer,
) -> None:
    nothing_literal = ((len(TEXT), len(TEXT)),)
    whole, pieces = encode([Rendering(TEXT, (), ()), Rendering(TEXT, (), nothing_literal)], chatml)
    assert len(whole.pieces) == 1
    assert len(pieces.pieces) > 1
    assert whole.ids.tolist() == pieces.ids.tolist()
    for start in range(0, len(TEXT), 3):
        for end in range(start + 1, len(TEXT) + 1, 5):
            assert whole.tokens_within(start, end) == pieces.tokens_within(start, end)


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
