"""A run as the tokens of an arm: which carry loss, which are masked, which are context."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup, escape

from srft_assets.show.find import Place, masked_at
from srft_assets.text import visible_lines
from srft_assets.tokens.token_labels import IGNORED, MaskedRow, Span, label_tokens
from srft_assets.tokens.tokenizer import ChatTokenizer
from srft_assets.view.index import LETTERS, Index

PAGE_TOKENS = 30_000
"""Most tokens of a page; a longer row has several."""
BLOCK_TOKENS = 4_000
SHADES = 4
"""Loss weights are told apart in so many shades, of the largest weight in the row."""
SIGNS = {"trained": "+", "masked": "−", "context": " "}


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive tokens of one turn of the assistant (`span`), or of what lies between two.

    `more` is whether the turn began in the block before.
    """

    start: int
    end: int
    span: Span | None = None
    more: bool = False

    @property
    def kind(self) -> str:
        """trained, masked or context."""
        if self.span is None:
            return "context"
        return "trained" if self.span.trained else "masked"


@dataclass(frozen=True, slots=True)
class Masked:
    """One row of an arm, with the blocks of one page of it."""

    row: MaskedRow
    parts: list[int]
    blocks: list[Block]
    page: int
    pages: int
    tokenizer: ChatTokenizer

    @property
    def step_tokens(self) -> dict[int, tuple[str, int]]:
        """Step → sign and number of tokens, over the whole row."""
        return {
            span.step_index: (SIGNS["trained" if span.trained else "masked"], span.end - span.start)
            for span in self.row.spans
        }

    def label_letters(self, count: int) -> str:
        """The label of each step in this arm, a blank where it has none."""
        known = {span.step_index: LETTERS.get(span.label or "", " ") for span in self.row.spans}
        return "".join(known.get(step, " ") for step in range(count))

    def mask_letters(self, count: int) -> str:
        """`+` where a step is trained, `−` where it is masked, a blank where the row has it not."""
        return "".join(self.step_tokens.get(step, (" ", 0))[0] for step in range(count))


def open_mask(index: Index, place: Place, arm: str, part: int = 0, page: int = 0) -> Masked:
    """A row of the run in an arm. Raises SrftError where the arm was never made for its batch, or
    left the run out."""
    from srft_assets.errors import SrftError

    rows, tokenizer = masked_at(index.home, index.warehouse, place, arm)
    by_part = {row.part: row for row in rows}
    if not by_part:
        raise SrftError(
            f"the arm {arm} does not train on this run: "
            f"srft sql \"SELECT trajectory_id FROM masked_tokens WHERE arm = '{arm}'\""
        )
    row = by_part.get(part, rows[0])
    pages = list(_pages(list(blocks_of(row.spans, row.n_tokens))))
    page = min(page, len(pages) - 1)
    return Masked(row, sorted(by_part), pages[page], page, len(pages), tokenizer)


def blocks_of(spans: Sequence[Span], tokens: int) -> Iterator[Block]:
    """All tokens of a row in order, in blocks of at most `BLOCK_TOKENS`."""
    at = 0
    for span in sorted(spans, key=lambda one: one.start):
        yield from _cut(at, span.start, None)
        yield from _cut(span.start, span.end, span)
        at = span.end
    yield from _cut(at, tokens, None)


def _cut(start: int, end: int, span: Span | None) -> Iterator[Block]:
    for first in range(start, end, BLOCK_TOKENS):
        yield Block(first, min(first + BLOCK_TOKENS, end), span, first > start)


def _pages(blocks: list[Block]) -> Iterator[list[Block]]:
    page: list[Block] = []
    for block in blocks:
        if page and block.end - page[0].start > PAGE_TOKENS:
            yield page
            page = []
        page.append(block)
    yield page


def block_views(masked: Masked) -> Iterator[dict[str, Any]]:
    """What the template needs of each block: the labels and weights are those that training gets
    (`label_tokens`)."""
    row = masked.row
    labels, weights = label_tokens(row.input_ids, row.spans)
    most = max((span.loss_weight for span in row.spans), default=1.0) or 1.0
    special = frozenset(masked.tokenizer.special_ids.values())
    for block in masked.blocks:
        part = slice(block.start, block.end)
        yield {
            "block": block,
            "kind": block.kind,
            "sign": SIGNS[block.kind],
            "weight": block.span.loss_weight if block.span else 0.0,
            "trained": int((labels[part] != IGNORED).sum()),
            "tokens": block.end - block.start,
            "html": _drawn(
                row.input_ids[part], labels[part], weights[part] / most, masked.tokenizer, special
            ),
        }


def _drawn(
    ids: np.ndarray,
    labels: np.ndarray,
    shares: np.ndarray,
    tokenizer: ChatTokenizer,
    special: frozenset[int],
) -> Markup:
    parts, at = [], 0
    for text, count in pieces(ids.tolist(), tokenizer):
        some = ids[at : at + count].tolist()
        classes = "t"
        if labels[at] != IGNORED:
            classes += f" w{max(1, round(SHADES * float(shares[at])))}"
        if some[0] in special:
            classes += " special"
        told = ",".join(map(str, some))
        parts.append(f'<i class="{classes}" data-t="{told}">{_visible(text)}</i>')
        at += count
    return Markup("".join(parts))  # classes and numbers are ours, the text is escaped


def _visible(text: str) -> str:
    plain = text.isascii() and text.isprintable()
    shown = text if plain else visible_lines(text.replace("\r\n", "␍\n")).replace("\n", "↵\n")
    return str(escape(shown))


def pieces(ids: Sequence[int], tokenizer: ChatTokenizer) -> Iterator[tuple[str, int]]:
    """Text of the tokens, one by one, and how many tokens it takes: several where a character is
    spread over them. What is no UTF-8 is shown as U+FFFD."""
    table = tokenizer.token_bytes
    if table is None:
        for one in ids:
            yield tokenizer.backend.decode([one], skip_special_tokens=False), 1
        return
    held, count = b"", 0
    for one in ids:
        held, count = held + (table[one] if one < len(table) else b""), count + 1
        try:
            yield held.decode("utf-8"), count
        except UnicodeDecodeError as error:
            if error.reason == "unexpected end of data" and len(held) < 4 + error.start:
                continue
            yield held.decode("utf-8", "replace"), count
        held, count = b"", 0
    if count:
        yield held.decode("utf-8", "replace"), count
