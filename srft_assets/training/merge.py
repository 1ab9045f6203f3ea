"""A checkpoint as a folder to take away: full weights, or the adapter alone."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from srft_assets.errors import SrftError, UsageError
from srft_assets.files import replacing
from srft_assets.home import Home
from srft_assets.plugins import need
from srft_assets.training.checkpoint import CARD, is_adapter, read_result
from srft_assets.training.model import base_now
from srft_assets.warehouse.partitions import Warehouse

LOCAL = ("job.json", "result.json")
"""Files of a checkpoint that speak of this machine's folders."""
CONFIG = "adapter_config.json"


@dataclass(frozen=True, slots=True)
class Trained:
    """A finished checkpoint: its folder, and its base model as a name and as a place."""

    folder: Path
    base_name: str
    base: str


def find_trained(home: Home, arm: str, seed: str) -> Trained:
    """The checkpoint of an arm and seed. Raises UsageError where it was never made."""
    warehouse, asset = Warehouse(home.warehouse), f"checkpoints/{arm}"
    stamp = warehouse.stamp(asset, seed)
    if stamp is None:
        raise UsageError(f"no checkpoint of arm {arm!r}, seed {seed}: srft apply {asset}")
    (row,) = warehouse.read(asset, seed).iter_rows(named=True)
    folder = home.root / row["path"]
    result = read_result(folder)
    if result is None:
        raise SrftError(f"{folder} is gone: srft apply {asset}")
    name = f"base_models/{row['base_model']}"
    of_asset = any(key.startswith(f"{name}/") for key in stamp.recipe.inputs)
    base = base_now(result.base_model, folder)
    return Trained(folder, name if of_asset else row["base_model"], base)


def write_merged(trained: Trained, out: Path, base: str | None = None) -> None:
    """Write full weights (safetensors) and tokenizer to `out`, which appears whole or not at all.

    An adapter is added to its base in float32, and the sum kept in the base's own type. `base`
    stands in the place of the one it was trained on. Raises UsageError where `out` is taken.
    """
    with _new_folder(out) as folder:
        if not is_adapter(trained.folder):
            _copy(trained.folder, folder)
            return
        model, tokenizer = _merge(trained.folder, base or trained.base)
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        shutil.copyfile(trained.folder / CARD, folder / CARD)


def write_adapter(trained: Trained, out: Path) -> None:
    """Write the adapter alone; its base is told by name, without a path of this machine.

    Raises UsageError where `out` is taken, or the checkpoint is no adapter.
    """
    if not is_adapter(trained.folder):
        raise UsageError(f"{trained.folder} holds full weights: leave --adapter out")
    with _new_folder(out) as folder:
        _copy(trained.folder, folder)
        config = orjson.loads((folder / CONFIG).read_bytes())
        config["base_model_name_or_path"] = trained.base_name
        (folder / CONFIG).write_bytes(orjson.dumps(config, option=orjson.OPT_INDENT_2))


def _merge(adapter: Path, base: str) -> tuple[Any, Any]:
    need("train")
    import torch
    from peft import PeftModel
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    try:
        kept = AutoConfig.from_pretrained(base).dtype or torch.float32
        model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    except (OSError, ValueError) as error:
        raise SrftError(f"the base model {base} cannot be loaded: name one by --base") from error
    merged = PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()
    return merged.to(kept), AutoTokenizer.from_pretrained(adapter)


def _copy(checkpoint: Path, folder: Path) -> None:
    ignored = shutil.ignore_patterns(*LOCAL)
    shutil.copytree(checkpoint, folder, ignore=ignored, dirs_exist_ok=True)


@contextmanager
def _new_folder(out: Path) -> Iterator[Path]:
    """A folder beside `out` that is renamed to it when it is done."""
    if out.exists():
        raise UsageError(f"{out} exists already: name a new folder")
    with replacing(out) as beside:
        beside.mkdir()
        yield beside
