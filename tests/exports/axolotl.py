"""An export read by axolotl's own code, with the YAML of its card.

    python -m tests.exports.axolotl EXPORT TOKENIZER OUT [EXPORT TOKENIZER OUT …]

writes Parquet files of the `input_ids` and `labels` that the installed axolotl makes. `read` runs
it with a release of axolotl that is fetched from PyPI into a folder, without what it depends on.
"""

import os
import subprocess
import sys
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pytest
import yaml

RELEASES = ("0.18.0", "0.19.0")
"""They look for turns in two ways. The strategy of 0.18.0 is that of commit 067b021."""
BESIDE = ("colorama==0.4.6", "addict==2.4.0")
"""All that its `chat_template` strategy imports and this project does not."""
ROOT = Path(__file__).resolve().parents[2]


@lru_cache
def installed(release: str) -> Path:
    """A folder to import that release from; skips the test where PyPI does not give it."""
    folder = Path(sys.prefix) / "readers" / f"axolotl-{release}"
    if (folder / "axolotl").is_dir():
        return folder
    folder.parent.mkdir(exist_ok=True)
    with TemporaryDirectory(dir=folder.parent) as scratch:
        target = Path(scratch) / "packages"
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", target]
        done = subprocess.run(
            [*pip, f"axolotl=={release}", *BESIDE], capture_output=True, text=True, check=False
        )
        if done.returncode:
            pytest.skip(f"pip does not give axolotl {release}: {done.stderr.strip()[-200:]}")
        with suppress(OSError):  # another process was quicker
            target.rename(folder)
    return folder


def read(release: str, *exports: tuple[Path, Path]) -> list[list[dict[str, Any]]]:
    """`input_ids` and `labels` of each row of each export, as that release makes them with the
    tokenizer beside it."""
    with TemporaryDirectory() as scratch:
        outs = [Path(scratch) / f"{number}.parquet" for number in range(len(exports))]
        argv = [item for pair, out in zip(exports, outs, strict=True) for item in (*pair, out)]
        path = os.pathsep.join([str(installed(release)), str(ROOT)])
        env = {**os.environ, "PYTHONPATH": path, "HF_HOME": scratch, "AXOLOTL_DO_NOT_TRACK": "1"}
        command = [sys.executable, "-m", "tests.exports.axolotl", *map(str, argv)]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
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
