"""The formats there are."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from srft_assets.exports.axolotl import AxolotlMessagesFormat, AxolotlSpansFormat
from srft_assets.exports.messages import MessagesFormat
from srft_assets.exports.openai import OpenAIFormat
from srft_assets.exports.shards import Shards
from srft_assets.exports.source import Masked
from srft_assets.exports.tokens import AxolotlTokensFormat, RawFormat, TrlFormat
from srft_assets.tokens.tokenizer import ChatTokenizer


class Format(Protocol):
    """How runs become records.

    Attributes:
        name: as `--format` takes it.
        chats: whether it needs the messages of the runs.
        untrained: whether rows without a trained token are in it.
        weights: whether it carries loss weights other than 0 and 1.
        renders: whether its trainer renders the chats with the tokenizer of the masks.
    """

    name: str
    chats: bool
    untrained: bool
    weights: bool
    renders: bool

    def shards(self, folder: Path, limit: int) -> Shards:
        """Where its records are written: files of at most about `limit` bytes."""

    def records(self, masked: Masked, tokenizer: ChatTokenizer | None) -> Iterator[dict[str, Any]]:
        """The records of one run. Raises UnfitError where the format cannot express it.

        The tokenizer is there where the format `renders`.
        """


FORMATS: dict[str, Format] = {
    one.name: one
    for one in (
        TrlFormat(),
        AxolotlTokensFormat(),
        AxolotlMessagesFormat(),
        AxolotlSpansFormat(),
        OpenAIFormat(),
        MessagesFormat(),
        RawFormat(),
    )
}
"""By name."""
