"""Token ids with the verified mask, in the columns that a trainer reads. They differ in names only.

- SkyRL (`skyrl/train/dataset/pretokenized.py`): `input_ids` and a `loss_mask` of 0 and 1, both of
  the whole row.
- LLaMA-Factory (`tokenized_path`): a `DatasetDict` on disk.
- Together (its client's check of Parquet files): these three columns and no others.
- Tinker: the ids, and a loss weight for each of them.
"""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from srft_assets.exports import FormatName
from srft_assets.exports.formats.tokens import IDS, WITH_ATTENTION, labelled_rows, with_attention
from srft_assets.exports.saved_dataset import SavedDataset
from srft_assets.exports.source import Masked
from srft_assets.exports.writer import Format, Record
from srft_assets.tokens.token_labels import IGNORED, label_tokens

SKYRL = """\
```console
$ python -m skyrl.train.main_sft model.path=MODEL max_length={longest} \\
    pretokenized_dataset_paths="['FOLDER/data']"
```

`MODEL` is the model whose tokenizer made the ids. Name the folder `data` itself: SkyRL takes files
of one kind only, and the manifest beside it is of another. Rows over `max_length` are cut."""

LLAMAFACTORY_TOKENS = """\
```yaml
stage: sft
do_train: true
model_name_or_path: MODEL
tokenized_path: FOLDER/data
template: default
output_dir: OUTPUT
```

`llamafactory-cli train FILE` takes the rows as they are: `cutoff_len`, `template` and the other
settings of data change nothing. `MODEL` is the model whose tokenizer made the ids."""

TOGETHER = """\
```console
$ together files check FOLDER/data/train-00000-of-00001.parquet
$ together files upload FOLDER/data/train-00000-of-00001.parquet
$ together fine-tuning create --training-file FILE-ID --model MODEL
```

One job takes one file. `MODEL` must have the tokenizer that made the ids, and a context of at least
{longest} tokens, the longest row."""

TINKER = """\
```python
import polars as pl
import tinker
import torch
from tinker_cookbook.supervised.common import datum_from_model_input_weights

data = [
    datum_from_model_input_weights(
        tinker.ModelInput.from_ints(row["tokens"]), torch.tensor(row["weights"])
    )
    for row in pl.read_parquet("FOLDER/data/*.parquet").iter_rows(named=True)
]
```

Hand `data` to `forward_backward(data, loss_fn="cross_entropy")` of a training client whose model
has the tokenizer that made the ids. A weight stands beside the token that it is the loss weight of;
the cookbook shifts both. One below 0 (`--mistake-weight`) trains against the token."""


def _loss_mask(masked: Masked, _: object = None) -> Iterator[Record]:
    """`loss_mask` is 1 at each token that carries loss."""
    for row, labels in labelled_rows(masked):
        trained = labels != IGNORED
        if trained.any():
            yield {"input_ids": row.input_ids, "loss_mask": trained.astype(np.int8)}


def _weighted(masked: Masked, _: object = None) -> Iterator[Record]:
    """`weights` is the loss weight of each token."""
    for row, labels in labelled_rows(masked):
        if (labels != IGNORED).any():
            yield {"tokens": row.input_ids, "weights": label_tokens(row.input_ids, row.spans)[1]}


FORMATS = (
    Format(
        FormatName.SKYRL,
        _loss_mask,
        SKYRL,
        pa.schema({"input_ids": IDS, "loss_mask": pa.list_(pa.int8())}),
    ),
    Format(
        FormatName.LLAMAFACTORY_TOKENS,
        with_attention,
        LLAMAFACTORY_TOKENS,
        WITH_ATTENTION,
        layout=SavedDataset,
    ),
    Format(FormatName.TOGETHER, with_attention, TOGETHER, WITH_ATTENTION),
    Format(
        FormatName.TINKER,
        _weighted,
        TINKER,
        pa.schema({"tokens": IDS, "weights": pa.list_(pa.float32())}),
        weights=True,
        negative=True,
    ),
)
