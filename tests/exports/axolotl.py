"""An export read by axolotl's own code, with the YAML of its card.

    python -m tests.exports.axolotl EXPORT TOKENIZER OUT [EXPORT TOKENIZER OUT …]

writes Parquet files of the `input_ids` and `labels` that the installed axolotl makes. `read` runs
it with a release of axolotl that is fetched from PyPI into a folder, without what it depends on.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import yaml

from tests.exports.libraries import installed, run

RELEASES = ("0.18.0", "0.19.0")
"""They look for turns in two ways. The strategy of 0.18.0 is that of commit 067b021."""
BESIDE = ("colorama==0.4.6", "addict==2.4.0")
"""All that its `chat_template` strategy imports and this project does not."""


def read(release: str, *exports: tuple[Path, Path]) -> list[list[dict[str, Any]]]:
    """`input_ids` and `labels` of each row of each export, as that release makes them with the
    tokenizer beside it."""
    with TemporaryDirectory() as scratch:
        outs = [Path(scratch) / f"{number}.parquet" for number in range(len(exports))]
        argv = [item for pair, out in zip(exports, outs, strict=True) for item in (*pair, out)]
        library = installed(f"axolotl=={release}", *BESIDE)
        run(library, "tests.exports.axolotl", *map(str, argv))
        return [pl.read_parquet(out).to_dicts() for out in outs]


def settings(export: Path) -> dict[str, Any]:
    """The YAML that the card of an export tells axolotl's users to state."""
    stated: dict[str, Any] = yaml.safe_load(
        (export / "README.md").read_text().split("```yaml\n")[1].partition("```")[0]
    )
    return stated


def main(export: Path, tokenizer_folder: str, out: str) -> None:
    """As axolotl's `get_dataset_wrapper` goes on with a data set; that module imports all of it."""
    from axolotl.datasets import TokenizedPromptDataset
    from axolotl.prompt_strategies import load
    from axolotl.utils.dict import DictDefault
    from datasets import load_dataset
    from transformers import AutoTokenizer

    stated = settings(export)
    (told,) = stated.pop("datasets")
    files = [str(path) for path in sorted(export.glob("data/*"))]
    rows = load_dataset(told["ds_type"], data_files=files, split="train")
    if told["type"] is not None:
        cfg = DictDefault({"sequence_len": 1 << 20, "train_on_inputs": False, **stated})
        tokenizer = AutoTokenizer.from_pretrained(tokenizer_folder)
        strategy = load(told["type"], tokenizer, cfg, DictDefault(told))
        rows = TokenizedPromptDataset(strategy, rows)
    cells = {name: rows[name] for name in ("input_ids", "labels")}
    pl.DataFrame(cells).write_parquet(out)


if __name__ == "__main__":
    for at in range(1, len(sys.argv), 3):
        main(Path(sys.argv[at]), *sys.argv[at + 1 : at + 3])
