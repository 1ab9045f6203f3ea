"""Formats of token ids: what is trained is exactly what was verified.

axolotl's is https://docs.axolotl.ai/docs/dataset-formats/tokenized.html: an empty `type:` and three
columns, no other.
"""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from srft_assets.exports import FormatName
from srft_assets.exports.source import Masked, UnfitError
from srft_assets.exports.writer import Format, Record
from srft_assets.tokens.token_labels import IGNORED, MASKED_TOKENS, MaskedRow, SpanError

IDS = pa.list_(pa.int32())
WITH_ATTENTION = pa.schema({"input_ids": IDS, "attention_mask": pa.list_(pa.int8()), "labels": IDS})

TRL = """\
```python
from datasets import load_dataset
from trl import SFTConfig, SFTTrainer

rows = load_dataset("FOLDER", split="train")
config = SFTConfig("trained", max_length=None)  # the default cuts rows at 1024 tokens
SFTTrainer("MODEL", config, train_dataset=rows).train()
```

`FOLDER` is this folder or its name on the Hub, `MODEL` the model whose tokenizer made the ids. TRL
takes rows with `input_ids` as tokenized, and `labels` as they are. The longest row has {longest}
tokens."""

AXOLOTL_TOKENS = """\
```yaml
datasets:
  - path: FOLDER
    ds_type: parquet
    type:
```

`type:` stays empty. Rows are not cut: set `sequence_len` to at least {longest}, the longest row."""

PARQUET = """\
```python
import polars as pl

rows = pl.read_parquet("FOLDER/data/*.parquet")
```

`labels` are `input_ids` inside the spans with `trained`, and -100 elsewhere; `weight` is the loss
weight of a span, null for 1."""


def labelled_rows(masked: Masked) -> list[tuple[MaskedRow, np.ndarray]]:
    """The rows of a run with their labels. Raises UnfitError for a span outside its tokens."""
    try:
        return [(row, row.labels()) for row in masked.rows]
    except SpanError as error:
        raise UnfitError("a span lies outside its tokens", str(error)) from None


def _labelled(masked: Masked, _: object = None) -> Iterator[Record]:
    """`input_ids` and `labels` of each row that trains a token."""
    for row, labels in labelled_rows(masked):
        if (labels != IGNORED).any():
            yield {"input_ids": row.input_ids, "labels": labels}


def with_attention(masked: Masked, _: object = None) -> Iterator[Record]:
    """The same with an `attention_mask` of ones: rows are not padded."""
    for record in _labelled(masked):
        yield {**record, "attention_mask": np.ones(len(record["labels"]), dtype=np.int8)}


def _raw(masked: Masked, _: object = None) -> Iterator[Record]:
    """The rows of `masked_tokens` as they are: ids, and spans with label and weight."""
    for row, _labels in labelled_rows(masked):
        yield row.as_row()


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


FORMATS = (
    Format(FormatName.TRL, _labelled, TRL, pa.schema({"input_ids": IDS, "labels": IDS})),
    Format(
        FormatName.AXOLOTL_TOKENS,
        with_attention,
        AXOLOTL_TOKENS,
        WITH_ATTENTION,
    ),
    Format(
        FormatName.PARQUET,
        _raw,
        PARQUET,
        _plain(MASKED_TOKENS.to_frame().to_arrow().schema),
        weights=True,
    ),
)
