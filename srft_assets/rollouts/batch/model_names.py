"""A model as people name it on a command line.

`checkpoint:ARM/SEED`, `local:FOLDER`, `vllm:MODEL` (a folder, a hub id, or one of the two before),
or the name that a server gives it.
"""

import os
import re
from pathlib import Path
from typing import Any

import orjson

from srft_assets.errors import UsageError
from srft_assets.home import Home
from srft_assets.rollouts.batch.local import weights_of
from srft_assets.rollouts.batch.settings import LocalModel
from srft_assets.rollouts.checkpoint import ADAPTER
from srft_assets.serving.environment import ARGS, COMMAND, words
from srft_assets.serving.spec import VLLM
from srft_assets.training.model import base_now
from srft_assets.warehouse.store import Warehouse

CHECKPOINT = re.compile(r"checkpoint:([A-Za-z0-9_.-]+)/(\d+)")


def model_named(home: Home, stated: str, asking: dict[str, Any]) -> dict[str, Any]:
    """As `RolloutSettings.model`; `asking` are further fields of one that is asked over HTTP.

    Raises UsageError for a name that cannot be understood, or of what is not there.
    """
    if stated.startswith("vllm:"):
        return _served(home, stated.removeprefix("vllm:"), asking)
    folder = _folder(home, stated)
    if folder is None:
        return {"kind": "endpoint", "name": stated, **asking}
    if asking:
        raise UsageError(f"{next(iter(asking))} is for a model that a server gives, not a folder")
    label = folder.name if stated.startswith("local:") else stated.partition(":")[2]
    local = LocalModel(label=label, path=_relative(home, folder), weights=weights_of(folder))
    return local.model_dump(mode="json")


def _served(home: Home, stated: str, asking: dict[str, Any]) -> dict[str, Any]:
    """A vLLM of ours; a checkpoint that is an adapter is served on its base model."""
    folder = _folder(home, stated)
    model, adapter = (str(folder), None) if folder else (stated, None)
    if folder and (folder / ADAPTER).exists():
        facts = orjson.loads((folder / ADAPTER).read_bytes())
        model, adapter = base_now(facts["base_model_name_or_path"], folder), folder
    server: dict[str, Any] = {
        "model": model,
        "command": words(COMMAND) or list(VLLM),
        "extra_args": words(ARGS),
    }
    label = stated.rpartition(":")[2]
    if adapter is None:
        server["served_model_name"] = label
        return {"kind": "vllm", "server": server, **asking}
    server["lora_modules"] = {label: str(adapter)}
    name = {"name": label, "adapter_digest": weights_of(adapter)}
    return {"kind": "vllm", "server": server, **name, **asking}


def _folder(home: Home, stated: str) -> Path | None:
    """The folder of `checkpoint:ARM/SEED` or `local:FOLDER`; None for any other name."""
    if found := CHECKPOINT.fullmatch(stated):
        asset, seed = f"checkpoints/{found[1]}", found[2]
        warehouse = Warehouse(home.warehouse)
        if warehouse.stamp(asset, seed) is None:
            raise UsageError(f"no {asset} of seed {seed}: srft apply {asset} --seed {seed}")
        folder = home.root / warehouse.read(asset, seed)["path"][0]
    elif stated.startswith("local:"):
        folder = Path(stated.removeprefix("local:")).expanduser().absolute()
    elif stated.startswith("checkpoint:"):
        raise UsageError(f"{stated!r}: a checkpoint is named checkpoint:ARM/SEED")
    else:
        return None
    if not folder.is_dir():
        raise UsageError(f"{stated}: there is no folder {folder}")
    return folder


def _relative(home: Home, folder: Path) -> Path:
    root = home.root
    return (
        folder.relative_to(root) if folder.is_relative_to(root) else Path(os.path.normpath(folder))
    )
