"""Formats of token ids: what is trained is exactly what was verified."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from srft_assets.exports.errors import UnfitError
from srft_assets.exports.shards import ParquetShards, Shards
from srft_assets.exports.source import Masked
from srft_assets.tokens.row import IGNORED, MASKED_TOKENS, MaskedRow, SpanError
from srft_assets.tokens.tokenizer import ChatTokenizer

IDS = pa.list_(pa.int32())


class TrlFormat:
    """`input_ids`, `labels`: what TRL's SFTTrainer takes as already tokenized."""

    name = "trl"
    chats = False
    untrained = False
    weights = False
    renders = False

    def shards(self, folder: Path, limit: int) -> Shards:
        """Parquet."""
        return ParquetShards(folder, limit, pa.schema({"input_ids": IDS, "labels": IDS}))

    def records(
        self, masked: Masked, tokenizer: ChatTokenizer | None = None
    ) -> Iterator[dict[str, Any]]:
        """One record a row that trains a token."""
        for row in checked(masked):
            labels = row.labels()
            if (labels != IGNORED).any():
                yield {"input_ids": row.input_ids, "labels": labels}


class AxolotlTokensFormat(TrlFormat):
    """`input_ids`, `attention_mask`, `labels`, and no other column: axolotl's empty `type:`.

    https://docs.axolotl.ai/docs/dataset-formats/tokenized.html
    """

    name = "axolotl-tokens"

    def shards(self, folder: Path, limit: int) -> Shards:
        """Parquet."""
        mask = pa.list_(pa.int8())
        schema = pa.schema({"input_ids": IDS, "attention_mask": mask, "labels": IDS})
        return ParquetShards(folder, limit, schema)

    def records(
        self, masked: Masked, tokenizer: ChatTokenizer | None = None
    ) -> Iterator[dict[str, Any]]:
        """One record a row that trains a token."""
        for record in super().records(masked, tokenizer):
            yield {**record, "attention_mask": np.ones(len(record["labels"]), dtype=np.int8)}


class RawFormat:
    """The rows of `masked_tokens` as they are: ids and spans with label and weight."""

    name = "parquet"
    chats = False
    untrained = True
    weights = True
    renders = False

    def shards(self, folder: Path, limit: int) -> Shards:
        """Parquet."""
        return ParquetShards(folder, limit, _plain(MASKED_TOKENS.to_frame().to_arrow().schema))

    def records(
        self, masked: Masked, tokenizer: ChatTokenizer | None = None
    ) -> Iterator[dict[str, Any]]:
        """One record a row."""
        for row in checked(masked):
            yield row.as_row()


def checked(masked: Masked) -> tuple[MaskedRow, ...]:
    """The rows. Raises UnfitError where a span lies outside its tokens."""
    try:
        for row in masked.rows:
            row.labels()
    except SpanError as error:
        raise UnfitError("a span lies outside its tokens", str(error)) from None
    return masked.rows


def _plain(schema: pa.Schema) -> pa.Schema:
    """The same names with types that every reader of Arrow knows."""
    return pa.schema([pa.field(field.name, _plain_type(field.type)) for field in schema])


def _plain_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_large_list(kind) or pa.types.is_list(kind):
        return pa.list_(_plain_type(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(field.name, _plain_type(field.type)) for field in kind])
    text = pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    return pa.string() if text else kind
