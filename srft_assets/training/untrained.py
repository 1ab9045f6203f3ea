"""`checkpoints/<arm>` of an arm that trains nothing: its base model as it is, to be scored beside
the others."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from srft_assets.errors import SrftError, headline
from srft_assets.home import Home
from srft_assets.tokens.arm import ArmSpec
from srft_assets.tokens.tokenizer import is_base_model_asset, model_source
from srft_assets.training.checkpoint import CHECKPOINTS
from srft_assets.training.model import base_digest
from srft_assets.training.saving import weights_digest
from srft_assets.warehouse.stage import Made, Stage, Upstream, Work

VERSION = 1
"""Raised when the output changes; see tools/versions.py."""

DESCRIPTION = """
The base model `{model}` as it is: the arm `{name}` trains nothing. Every seed has the same weights.

{description}
"""


def untrained_stage(arm: ArmSpec) -> Stage:
    """The stage of one arm with `training.method: none`. Only its model decides it."""
    of_asset = is_base_model_asset(arm.model)

    def config_of(home: Home, partition: str) -> Mapping[str, Any]:
        folder = Path(arm.model)
        return {"base_model": base_digest(folder)} if not of_asset and folder.is_dir() else {}

    text = DESCRIPTION.format(model=arm.model, name=arm.name, description=arm.description)
    return Stage(
        key=f"checkpoints/{arm.name}",
        partitioned_by="seed",
        upstream=(Upstream(f"base_models/{arm.model}", "whole"),) if of_asset else (),
        schema=CHECKPOINTS,
        code={"untrained": VERSION},
        make=lambda work: point_at_base(arm, work),
        config={"model": arm.model, "method": "none"},
        config_of=config_of,
        volatile=("path",),
        description=text.strip(),
        kinds=frozenset({"huggingface"}),
    )


def point_at_base(arm: ArmSpec, work: Work) -> Made:
    """A row whose `path` is the base model's folder; one of the Hub is downloaded, not copied.

    Raises SrftError where the model cannot be had, or its folder holds no weights.
    """
    folder = _folder(model_source(arm.model, work.home, work.read))
    sha = weights_digest(folder)
    if sha is None:
        raise SrftError(f"arm {arm.name}: {folder} holds no *.safetensors: name another model")
    root = work.home.root
    row = dict.fromkeys(CHECKPOINTS) | {
        "arm": arm.name,
        "seed": int(work.partition),
        "path": str(folder.relative_to(root) if folder.is_relative_to(root) else folder),
        "base_model": arm.model,
        "method": arm.training.method,
        "steps": 0,
        "rows": 0,
        "tokens": 0,
        "trained_tokens": 0,
        "loss_curve": [],
        "weights_sha256": sha,
        "seconds": 0.0,
    }
    return Made(pl.DataFrame([row], schema=CHECKPOINTS), metadata={"weights_sha256": sha})


def _folder(source: str) -> Path:
    """The folder itself, else the snapshot of a Hub id."""
    if Path(source).is_dir():
        return Path(source).absolute()
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(source, ignore_patterns=["*.bin", "*.gguf", "*.pth"]))
    except (OSError, ValueError) as error:
        raise SrftError(
            f"the base model {source} could not be fetched from the Hugging Face Hub "
            f"({headline(error)}); name a local folder, or set HF_TOKEN"
        ) from None
