"""The labels that axolotl's `chat_template` strategy makes of an exported chat.

axolotl takes no mask of tokens. It renders a chat, and again with other words in the place of each
trained message; it trains what differs, and the end-of-turn token behind it. Releases up to 0.18
compare the tokens of the chat up to that message, those from 0.19 the characters of the whole chat.
Both are done here as they do it; `tests/exports/test_axolotl_labels.py` compares with axolotl's own
code.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jinja2 import nodes

from srft_assets.exports.source import UnfitError
from srft_assets.tokens.template import RENDER_DATE, TEMPLATE_ERRORS, compiled, template_of
from srft_assets.tokens.token_labels import IGNORED
from srft_assets.tokens.tokenizer import ChatTokenizer

Turn = dict[str, Any]
Tools = list[dict[str, Any]] | None

PLACEHOLDERS = ("[[dummy_message]]", "zzdummymessagezz")
"""What axolotl writes in the place of a message; the second is new in 0.19."""
PADDING = 3
"""Most tokens between a message and its end-of-turn token."""
MAPPED = ("role", "content", "reasoning_content")
"""Cells that axolotl hands to every template; others only to one that names them."""


class AxolotlReader:
    """axolotl with a model's tokenizer and the settings of the card.

    Attributes:
        settings: top-level keys of axolotl's YAML that the model needs.
    """

    def __init__(self, tokenizer: ChatTokenizer) -> None:
        self.tokenizer = tokenizer
        stated = tokenizer.hf.chat_template
        self.source = stated if isinstance(stated, str) else ""
        self.settings: dict[str, Any] = {}
        ends = sorted(text for text in self._ends if text in self.source)
        eos = tokenizer.hf.eos_token
        if ends and ends != [eos]:
            self.settings["eot_tokens"] = ends
        if "date_string" in self.source:
            date = RENDER_DATE.strftime("%d %b %Y")
            self.settings["chat_template_kwargs"] = {"date_string": date}
        ids = tokenizer.special_ids
        self.stops = (
            [ids[text] for text in self.settings.get("eot_tokens", [eos]) if text in ids],
            [tokenizer.hf.eos_token_id] if eos else [],
        )

    @cached_property
    def _ends(self) -> frozenset[str]:
        return template_of(self.tokenizer, self.source).end_tokens if self.source else frozenset()

    @cached_property
    def cells(self) -> frozenset[str]:
        """Cells of a message that the template is given: axolotl looks for `message.<cell>`."""
        if not self.source:
            return frozenset()
        tree = compiled(self.source).environment.parse(self.source)
        found = tree.find_all((nodes.Getattr, nodes.Getitem))
        return frozenset({*MAPPED, *(_cell(node) for node in found if _base(node) == "message")})

    def read(self, messages: Sequence[Mapping[str, Any]], tools: Tools) -> "AxolotlChat":
        """The chat rendered; the cells of messages and tools are read from JSON text.

        Raises UnfitError where the model has several templates, or its template fails.
        """
        if not self.source:
            raise UnfitError("axolotl takes one chat template, and the tokenizer has several")
        turns = [{k: v for k, v in message.items() if k in self.cells} for message in messages]
        return AxolotlChat(self, turns, tools)

    def render(self, turns: Sequence[Turn], tools: Tools) -> str:
        """As axolotl asks transformers for it. Raises UnfitError where the template fails."""
        stated = self.settings.get("chat_template_kwargs", {})
        try:
            text: str = self.tokenizer.hf.apply_chat_template(
                list(turns), tools=tools or None, tokenize=False, **stated
            )
        except TEMPLATE_ERRORS as error:
            kind = "the chat template fails on the chat as axolotl hands it on"
            raise UnfitError(kind, str(error)) from error
        return text


@dataclass
class AxolotlChat:
    """A chat as axolotl renders it.

    Attributes:
        text: of the whole chat.
        ids: int64, its tokens.
    """

    reader: AxolotlReader
    turns: list[Turn]
    tools: Tools

    def __post_init__(self) -> None:
        self.text = self.reader.render(self.turns, self.tools)
        encoding = self.backend.encode(self.text, add_special_tokens=False)
        self.ids = np.array(encoding.ids, dtype=np.int64)
        self.starts = [start for start, _ in encoding.offsets]
        self.ends = [end for _, end in encoding.offsets]

    @property
    def backend(self) -> Any:
        """The `tokenizers.Tokenizer`."""
        return self.reader.tokenizer.backend

    def labels(self, lengths: Mapping[int, int | None]) -> Iterator[np.ndarray]:
        """The label of every token, as axolotl 0.18 makes them, then as 0.19 does.

        Args:
            lengths: place of each trained message → how many tokens of it are trained, None for
                all: with `train_detail` axolotl counts those of the content by itself.

        Raises UnfitError where a trained message is not found.
        """
        yield self._labels(lengths, self._by_tokens)
        yield self._labels(lengths, self._by_characters)

    def _labels(
        self, lengths: Mapping[int, int | None], find: Callable[[int], tuple[int, int] | None]
    ) -> np.ndarray:
        trained = np.zeros(len(self.ids), dtype=bool)
        for place, length in lengths.items():
            found = find(place)
            if found is None or found[0] >= found[1]:
                raise UnfitError("axolotl does not find a trained turn", f"message {place}")
            start, end = found
            trained[start : end if length is None else start + length] = True
            for stops in self._stops:
                at = int(np.searchsorted(stops, end))
                if at < len(stops) and stops[at] - end <= PADDING:
                    trained[stops[at]] = True
        return np.where(trained, self.ids, IGNORED)

    @cached_property
    def _stops(self) -> list[np.ndarray]:
        """Places of the end-of-turn tokens, and of the end-of-text token."""
        return [np.flatnonzero(np.isin(self.ids, ids)) for ids in self.reader.stops]

    def _by_tokens(self, place: int) -> tuple[int, int] | None:
        """Up to 0.18: by the tokens of the chat up to this message, once with other words.

        Tokens before a special one that both share with the whole chat are those of the chat.
        """
        before, turn = self.turns[:place], self.turns[place]
        said = self.reader.render([*before, turn], self.tools)
        other = self.reader.render([*before, _other(turn, PLACEHOLDERS[0])], self.tools)
        cut, known = self._known(min(_shared(said, self.text), _shared(other, self.text)))
        pair = [text[cut:] for text in (said, other)]
        ids, others = (
            e.ids for e in self.backend.encode_batch_fast(pair, add_special_tokens=False)
        )
        start, tail = _shared(ids, others), _shared(ids[::-1], others[::-1])
        if min(len(ids), len(others)) in (start, tail):
            return None
        return known + start, known + len(ids) - tail

    def _by_characters(self, place: int) -> tuple[int, int] | None:
        """From 0.19: by the characters of the whole chat, twice with other words."""
        after, turn = self.turns[place + 1 :], self.turns[place]
        starts, ends = [], []
        for words in PLACEHOLDERS:
            turns = [*self.turns[:place], _other(turn, words), *after]
            other = self.reader.render(turns, self.tools)
            start = _shared(self.text, other)
            most = min(len(self.text), len(other)) - start
            starts.append(start)
            ends.append(len(self.text) - _shared(self.text[::-1], other[::-1], most))
        if max(ends) <= min(starts):
            return None
        first = bisect_right(self.ends, min(starts))
        last = bisect_left(self.starts, max(ends))
        return self._by_tokens(place) if first >= len(self.ids) else (first, last)

    def _known(self, shared: int) -> tuple[int, int]:
        """Where the last special token starts that ends within the first `shared` characters, and
        how many tokens are before it. Tokenizers that look at what precedes a text start anew."""
        tokenizer = self.reader.tokenizer
        if tokenizer.greedy_specials or tokenizer.prepends_space:
            return 0, 0
        starts, ends = self._specials
        at = int(np.searchsorted(ends, shared, "right")) - 1
        if at < 0:
            return 0, 0
        return int(starts[at]), bisect_left(self.starts, int(starts[at]))

    @cached_property
    def _specials(self) -> tuple[np.ndarray, np.ndarray]:
        found = [m.span() for m in self.reader.tokenizer.special_pattern.finditer(self.text)]
        starts, ends = np.array(found, dtype=np.int64).reshape(-1, 2).T
        return starts, ends


def _other(turn: Turn, words: str) -> Turn:
    """What axolotl compares a message with: other words, without thinking and calls."""
    return {"role": turn["role"], "content": words}


def _shared(one: Sequence[Any], other: Sequence[Any], most: int | None = None) -> int:
    """Length of the common start, at most `most`."""
    limit = min(len(one), len(other)) if most is None else most
    return bisect_left(range(1, limit + 1), True, key=lambda n: one[:n] != other[:n])


def _cell(node: nodes.Expr) -> str:
    """The last name of a chain; empty for an index."""
    match node:
        case nodes.Getattr():
            return node.attr
        case nodes.Getitem(arg=nodes.Const() as name):
            return str(name.value)
    return ""


def _base(node: nodes.Node) -> str | None:
    """The variable that a chain of attributes and items starts at."""
    while isinstance(node, nodes.Getattr | nodes.Getitem):
        node = node.node
    return node.name if isinstance(node, nodes.Name) else None
