"""`checkpoints/<arm>`: a model trained on the masked tokens of one arm, by seed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from srft_assets.home import Home
from srft_assets.tokens.arm import ArmSpec
from srft_assets.tokens.model_folder import is_base_model_asset
from srft_assets.training.making import make_checkpoint
from srft_assets.training.model import base_digest
from srft_assets.training.recipe import settings_of
from srft_assets.training.schema import CHECKPOINTS, VOLATILE
from srft_assets.warehouse.stage import Cost, Planned, Stage, Upstream

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
        estimate=lambda planned: _estimate(arm, planned),
        pool="training",
        volatile=VOLATILE,
        description=text.strip(),
        kinds=frozenset({"pytorch", "huggingface"}),
    )


def _estimate(arm: ArmSpec, planned: Planned) -> Cost:
    """Tokens with loss that the optimizer steps take, were all rows of the arm alike."""
    asset = f"masked_tokens/{arm.name}"
    keys = (key.rpartition("/") for key in planned.recipe.inputs)
    stamps = [
        stamp
        for upstream, _, batch in keys
        if upstream == asset and (stamp := planned.warehouse.stamp(asset, batch))
    ]
    rows = sum(stamp.rows for stamp in stamps)
    trained = sum(stamp.figures.get("tokens_trained", 0) for stamp in stamps)
    drawn = arm.training.max_steps * arm.training.batch_size
    return Cost(tokens_to_train=round(trained / max(rows, 1) * drawn), exact=False)
