"""How an export is loaded, as its card tells it, by format."""

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

AXOLOTL_MESSAGES = """\
```yaml
datasets:
  - path: FOLDER
    ds_type: parquet
    type: chat_template
    field_messages: messages
    field_tools: tools
    message_field_training: train
    roles_to_train: []
    train_on_eos: turn
```

axolotl renders the chats with the template of the model's tokenizer. Each was checked to give the
tokens that srft masked; the turns axolotl finds itself, so tokens at their edges may differ.
`--format axolotl-tokens` has exactly the verified ones."""

AXOLOTL_SPANS = AXOLOTL_MESSAGES.replace(
    "    roles_to_train", "    message_field_training_detail: train_detail\n    roles_to_train"
)

OPENAI = """\
```console
$ openai api files.create -f FOLDER/data/train-00000-of-00001.jsonl -p fine-tune
```

Assistant messages with `weight: 0` are context only. One job takes one training file of at most
512 MB: `--max-shard-size 512MB` makes the fewest."""

MESSAGES = """\
```python
import json
from datasets import load_dataset

for row in load_dataset("FOLDER", split="train"):
    tools = json.loads(row["tools"]) if row["tools"] else None
    trained = [message for message in row["messages"] if message["train"]]
```

`weight` is the loss weight of a message, `label` the critic's, `step_index` the step. `arguments`
of tool calls and `tools` are JSON text."""

PARQUET = """\
```python
import polars as pl

rows = pl.read_parquet("FOLDER/data/*.parquet")
```

`labels` are `input_ids` inside the spans with `trained`, and -100 elsewhere; `weight` is the loss
weight of a span, null for 1."""

LOADING = {
    "trl": TRL,
    "axolotl-tokens": AXOLOTL_TOKENS,
    "axolotl-messages": AXOLOTL_MESSAGES,
    "axolotl-spans": AXOLOTL_SPANS,
    "openai": OPENAI,
    "messages": MESSAGES,
    "parquet": PARQUET,
}
"""Format → Markdown."""


def loading_code(form: str, folder: str) -> str:
    """The code of a format alone, for a terminal."""
    block = LOADING[form].split("```")[1]
    return block.partition("\n")[2].rstrip().replace("FOLDER", folder)
