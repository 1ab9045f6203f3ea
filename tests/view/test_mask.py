"""The mask of a run on its page is the one that training gets, token by token."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.show.find import find_run
from srft_assets.tokens.token_labels import IGNORED, Span, label_tokens
from srft_assets.tokens.tokenizer import load_tokenizer
from srft_assets.view.index import Index
from srft_assets.view.mask import BLOCK_TOKENS, block_views, blocks_of, open_mask, pieces
from srft_assets.view.run import place_of
from tests.view.served import ARM, LABELS, STEPS, Served
from tests.view.test_markup import Read

SPANS = st.lists(st.integers(1, 9_000), max_size=6)


@given(SPANS, st.integers(0, 20_000))
def test_blocks_hold_every_token_once_in_order(lengths: list[int], rest: int) -> None:
    spans, at = [], 0
    for step, length in enumerate(lengths):
        spans.append(Span(step, at + 3, at + 3 + length, trained=True))
        at += length + 3
    blocks = list(blocks_of(spans, at + rest))
    tokens = [token for block in blocks for token in range(block.start, block.end)]
    assert tokens == list(range(at + rest))
    assert all(0 < block.end - block.start <= BLOCK_TOKENS for block in blocks)
    begun = [block.span.step_index for block in blocks if block.span and not block.more]
    assert begun == list(range(len(lengths)))


@given(st.text(max_size=80))
def test_pieces_are_the_text_of_the_tokens(text: str) -> None:
    tokenizer = load_tokenizer(ARM.model)
    ids = tokenizer.backend.encode(text, add_special_tokens=False).ids
    found = list(pieces(ids, tokenizer))
    assert "".join(piece for piece, _ in found) == tokenizer.normalized(text)
    assert sum(count for _, count in found) == len(ids)


def test_what_is_shown_as_trained_is_what_training_gets(home: Home) -> None:
    index = Index(home)
    masked = open_mask(index, place_of(index, "a."), "seen")
    (row,) = find_run(home, "a.", arm="seen", critic="one").rows
    labels, weights = label_tokens(row.input_ids, row.spans)
    at = 0
    for view in block_views(masked):
        part = slice(view["block"].start, view["block"].end)
        assert view["block"].start == at
        at = view["block"].end
        carried = int((labels[part] != IGNORED).sum())
        assert (view["trained"], view["tokens"]) == (carried, part.stop - part.start)
        assert carried == (view["tokens"] if view["kind"] == "trained" else 0)
        assert {view["weight"]} == {*np.unique(weights[part]).tolist()}
        read = Read(str(view["html"]))
        decoded = masked.tokenizer.decode(row.input_ids[part].tolist())
        assert "".join(read.text.replace("↵", "").split()) == "".join(decoded.split())
        assert str(view["html"]).count(" w") == carried
    assert at == row.n_tokens
    assert masked.label_letters(STEPS) == "gumrg-"
    signs = ["−" if label == "mistake" else "+" for label in LABELS]
    assert masked.mask_letters(STEPS) == "".join(signs)


def test_what_was_never_masked_is_told(home: Home) -> None:
    index = Index(home)
    with pytest.raises(SrftError, match="never made"):
        open_mask(index, place_of(index, "hostile."), "seen")
    with pytest.raises(SrftError, match="never made"):
        open_mask(index, place_of(index, "a."), "nobody")


def test_the_mask_is_walked_by_keys(page: Any, served: Served) -> None:
    page.goto(served.at("/run/a."))
    page.get_by_role("link", name="mask of seen").click()
    page.wait_for_url("**/mask/**")
    assert page.locator("article.block").count() == STEPS
    masked = page.locator("article.block.masked")
    assert masked.count() == LABELS.count("mistake")
    assert "−" in masked.inner_text() and "masked" in masked.inner_text()
    shades = {name for name in ("w1", "w2", "w4") if page.locator(f"i.{name}").count()}
    assert shades == {"w1", "w2", "w4"}, "weights 0.25, 0.5 and 1"
    assert page.locator("i.special", has_text="<|im_end|>").count() >= STEPS
    page.keyboard.press("j")
    page.keyboard.press("ArrowRight")
    first = page.locator("article.block i.t").first
    told = page.locator("#token")
    assert told.inner_text() == f"token {first.get_attribute('data-t')}, carries loss"
    page.locator("article.masked i.special").first.hover()
    assert told.inner_text().startswith("special token") and "no loss" in told.inner_text()
    page.locator("section.context i.t").nth(3).hover()
    assert told.inner_text().endswith("no loss")
