"""An export read by its trainer's own code, as the card tells it.

    python -m tests.exports.trainers FORMAT EXPORT TOKENIZER OUT

writes a Parquet file of `input_ids`, `labels` and, where the trainer has them, `weights`. `read`
runs it with the trainer's library from PyPI, without what that depends on.
"""

import json
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import polars as pl
import yaml

from srft_assets.exports import FormatName
from tests.exports.libraries import installed, run

PACKAGES = {
    FormatName.LLAMAFACTORY_TOKENS: (
        "llamafactory==0.9.5",
        "omegaconf==2.4.0",
        "antlr4-python3-runtime==4.9.3",
    ),
    FormatName.TINKER: (
        "tinker-cookbook==0.6.1",
        "tinker==0.38.0",
        "chz==0.4.0",
        "blobfile==3.3.0",
        "pycryptodomex==3.24.2",
        "lxml==6.1.3",
    ),
    FormatName.MS_SWIFT: (
        "ms-swift==4.6.0",
        "modelscope==1.40.2",
        "modelscope-hub==0.5.1",
        "json-repair==0.64.6",
    ),
    FormatName.TORCHTUNE: (
        "torchtune==0.6.1",
        "torchao==0.9.0",
        "omegaconf==2.4.0",
        "antlr4-python3-runtime==4.9.3",
        "sentencepiece==0.2.3",
        "tiktoken==0.14.0",
        "blobfile==3.3.0",
    ),
}
"""What each reader imports and this project does not."""
Rows = list[dict[str, Any]]


def read(form: FormatName, export: Path, tokenizer: Path) -> Rows:
    """The rows of an export as its trainer reads them."""
    with TemporaryDirectory() as scratch:
        out = Path(scratch) / "rows.parquet"
        words = (form, str(export), str(tokenizer), str(out))
        run(installed(*PACKAGES[form]), "tests.exports.trainers", *words)
        return pl.read_parquet(out).to_dicts()


def by_llamafactory(export: Path, tokenizer: Path) -> Rows:
    """What `get_dataset` gives for the `tokenized_path` of the card, through its collator."""
    nowhere = ModuleSpec("torchaudio", None)  # It is imported, for audio only.
    sys.modules["torchaudio"] = module_from_spec(nowhere)
    from llamafactory.data import SFTDataCollatorWith4DAttentionMask
    from llamafactory.data.loader import get_dataset
    from llamafactory.data.template import TEMPLATES
    from transformers import AutoTokenizer

    card = (export / "README.md").read_text().split("```yaml\n")[1].partition("```")[0]
    path = yaml.safe_load(card.replace("FOLDER", str(export)))["tokenized_path"]
    asked: Any = SimpleNamespace(tokenized_path=path, streaming=False)
    words = AutoTokenizer.from_pretrained(tokenizer)
    template = TEMPLATES["default"]
    nothing: Any = None
    rows = get_dataset(template, nothing, asked, nothing, "sft", words)["train_dataset"]
    words.pad_token = words.pad_token or words.eos_token
    collate = SFTDataCollatorWith4DAttentionMask(
        template=template, tokenizer=words, label_pad_token_id=-100
    )
    batches = [collate([row]) for row in rows]
    return [{key: one[key][0].tolist() for key in ("input_ids", "labels")} for one in batches]


def by_tinker(export: Path, _: Path) -> Rows:
    """What the code of the card makes; the ids are those of the input and the last target."""
    code = (export / "README.md").read_text().split("```python\n")[1].partition("```")[0]
    scope: dict[str, Any] = {}
    exec(code.replace("FOLDER", str(export)), scope)  # noqa: S102
    return [_of_datum(datum) for datum in scope["data"]]


def _of_datum(datum: Any) -> dict[str, Any]:
    """A weight of the cookbook stands beside the token that is predicted; the first has none."""
    targets = datum.loss_fn_inputs["target_tokens"].to_torch().tolist()
    weights = [0.0, *datum.loss_fn_inputs["weights"].to_torch().tolist()]
    ids = [datum.model_input.to_ints()[0], *targets]
    labels = [number if weight else -100 for number, weight in zip(ids, weights, strict=True)]
    return {"input_ids": ids, "labels": labels, "weights": weights}


def by_ms_swift(export: Path, tokenizer: Path) -> Rows:
    """Its data set of the file, encoded with its template of Qwen and its agent template."""
    from swift.dataset import load_dataset
    from swift.template import get_template
    from transformers import AutoTokenizer

    words: Any = AutoTokenizer.from_pretrained(tokenizer)
    words.model_info = SimpleNamespace(
        model_dir="", config=None, max_model_len=1 << 20, task_type="causal_lm", model_type="qwen2"
    )
    words.model_meta = SimpleNamespace(template="qwen", is_multimodal=False)
    template = get_template(words, template_type="qwen", is_binary_loss_scale=False)
    template.set_mode("train")
    files = [str(path) for path in sorted(export.glob("data/*"))]
    rows, _ = load_dataset(files, split_dataset_ratio=0, shuffle=False)
    found = [template.encode(dict(row)) for row in rows]
    return [{"input_ids": row["input_ids"], "labels": row["labels"]} for row in found]


def by_torchtune(export: Path, tokenizer: Path) -> Rows:
    """The code of the card, with its tokenizer of Qwen over the same vocabulary."""
    from torchtune.models.qwen2 import Qwen2Tokenizer

    model = json.loads((tokenizer / "tokenizer.json").read_text())
    vocabulary, merges = export.parent / "vocab.json", export.parent / "merges.txt"
    vocabulary.write_text(json.dumps(model["model"]["vocab"]))
    merges.write_text("\n".join(["#version: 0.2", *map(" ".join, model["model"]["merges"])]))
    special = {one["content"]: one["id"] for one in model["added_tokens"]}
    words = Qwen2Tokenizer(str(vocabulary), str(merges), special)
    code = (export / "README.md").read_text().split("```python\n")[1].partition("```")[0]
    scope: dict[str, Any] = {"TOKENIZER": words}
    exec(code.replace("FOLDER", str(export)), scope)  # noqa: S102
    pairs = [zip(row["tokens"], row["mask"], strict=True) for row in scope["rows"]]
    trained = [[number for number, out in pair if not out] for pair in pairs]
    return [{"words": words.decode(ids)} for ids in trained]


READERS: dict[FormatName, Callable[[Path, Path], Rows]] = {
    FormatName.LLAMAFACTORY_TOKENS: by_llamafactory,
    FormatName.TINKER: by_tinker,
    FormatName.MS_SWIFT: by_ms_swift,
    FormatName.TORCHTUNE: by_torchtune,
}

if __name__ == "__main__":
    form, export, tokenizer, out = sys.argv[1:]
    rows = READERS[FormatName(form)](Path(export), Path(tokenizer))
    pl.DataFrame(rows).write_parquet(out)
