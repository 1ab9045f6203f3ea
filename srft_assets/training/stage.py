"""`checkpoints/<arm>`: a model trained on the masked tokens of one arm, by seed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from srft_assets.home import Home
from srft_assets.tokens.arm import ArmSpec
from srft_assets.tokens.model_folder import is_base_model_asset
from srft_assets.training.making import make_checkpoint
from srft_assets.training.model import base_digest
from srft_assets.training.recipe import choice_of, settings_of
from srft_assets.training.rows import select_rows
from srft_assets.training.schema import CHECKPOINTS, VOLATILE
from srft_assets.warehouse.stage import Cost, Stage, Upstream
from srft_assets.warehouse.store import Warehouse, matching

VERSION = 1
"""Raised when the output changes; see tools/versions.py."""

DESCRIPTION = """
The base model `{model}` fine-tuned ({method}) on the masked tokens of the arm `{name}`. Masked
steps are context without loss; the loss is the mean over all trained tokens of an optimizer step,
by their weights where the arm gives some.
The same seed gives the same weights on a CPU.

{description}
"""


def checkpoints_stage(arm: ArmSpec) -> Stage:
    """The stage of one arm. Evaluation settings and the description do not touch it."""
    asset = is_base_model_asset(arm.model)
    upstream = [Upstream(f"masked_tokens/{arm.name}", "all", tuple(arm.training.batches))]
    if asset:
        upstream.append(Upstream(f"base_models/{arm.model}", "whole"))
    text = DESCRIPTION.format(
        model=arm.model, method=arm.training.method, name=arm.name, description=arm.description
    )

    def config_of(home: Home, partition: str) -> Mapping[str, Any]:
        folder = Path(arm.model)
        return {"base_model": base_digest(folder)} if not asset and folder.is_dir() else {}

    return Stage(
        key=f"checkpoints/{arm.name}",
        partitioned_by="seed",
        upstream=tuple(upstream),
        schema=CHECKPOINTS,
        code={"version": VERSION},
        make=lambda work: make_checkpoint(arm, asset, work),
        config=settings_of(arm),
        config_of=config_of,
        cost=lambda home, seed: _cost(arm, home),
        volatile=VOLATILE,
        description=text.strip(),
        kinds=frozenset({"pytorch", "huggingface"}),
    )


def _cost(arm: ArmSpec, home: Home) -> Cost:
    """Tokens with loss that the optimizer steps take, of the masked tokens there are now."""
    warehouse = Warehouse(home.warehouse)
    tokens = f"masked_tokens/{arm.name}"
    names = matching(warehouse.partitions(tokens), tuple(arm.training.batches))
    files = [warehouse.path(tokens, name) for name in names]
    rows = select_rows(files, arm.training.max_length, choice_of(arm))
    drawn = arm.training.max_steps * arm.training.batch_size
    kept = max(rows.frame.height, 1)
    return Cost(tokens_to_train=round(rows.trained_tokens / kept * drawn))
