"""`masked_tokens/<arm>`: token ids and loss masks of a batch for one training arm."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from srft_assets.home import Home
from srft_assets.tokens.arm import ArmSpec
from srft_assets.tokens.batch import VERSION, make_masks
from srft_assets.tokens.row import MASKED_TOKENS
from srft_assets.tokens.run_choice import candidates_sql
from srft_assets.tokens.tokenizer import is_base_model_asset, tokenizer_fingerprint
from srft_assets.warehouse.recipe import digest
from srft_assets.warehouse.stage import Stage, Upstream

DESCRIPTION = """
What the arm `{name}` trains on, one row a run: token ids, and the token span of every assistant
turn with whether it carries loss, and how much. A masked step stays in the context. Every trained
token was verified to decode to the text of an accepted step; runs that fail this are refused and
counted.

{description}
"""


def masked_tokens_stage(arm: ArmSpec) -> Stage:
    """The stage of one arm. Training and evaluation settings do not touch it."""
    asset = is_base_model_asset(arm.model)
    upstream = [Upstream("trajectories"), Upstream("test_outcomes")]
    upstream += labels_upstream(arm)
    if asset:
        upstream.append(Upstream(f"base_models/{arm.model}", mapping="whole"))

    def config_of(home: Home, partition: str) -> Mapping[str, Any]:
        return {} if asset else {"tokenizer": tokenizer_fingerprint(arm.model)}

    return Stage(
        key=f"masked_tokens/{arm.name}",
        partitioned_by="batch",
        upstream=tuple(upstream),
        schema=MASKED_TOKENS,
        code={"version": VERSION, **sql_of(arm)},
        make=partial(make_masks, arm),
        config=settings_of(arm),
        config_of=config_of,
        description=DESCRIPTION.format(name=arm.name, description=arm.description).strip(),
        kinds=frozenset({"polars", "huggingface"}),
    )


def labels_upstream(arm: ArmSpec) -> list[Upstream]:
    """The edge to whom the arm asks; none where nothing is masked."""
    if arm.gold is not None:
        return [Upstream("gold_labels", "whole")]
    return [] if arm.critic is None else [Upstream(f"step_verdicts/{arm.critic}")]


def sql_of(arm: ArmSpec) -> dict[str, str]:
    """Digest of the SQL around the arm's `where`, where it has one."""
    if arm.where is None:
        return {}
    return {"where": digest(candidates_sql())[:16]}


def settings_of(arm: ArmSpec) -> dict[str, Any]:
    """The settings that decide tokens or mask; where nobody labels no mask setting does."""
    named = {"runs", "where", "dedup", "per_instance", "model", "too_long"}
    if arm.labelled:
        named |= {"critic", "gold", "mask", "mask_resolved", "unlabeled", "weights", "control"}
    if arm.per_instance is not None or arm.control == "random_mask":
        named.add("seed")
    if arm.too_long == "windows":
        named.add("overlap")
    config = arm.model_dump(mode="json", include=named)
    if arm.labelled:
        config["mask"] = sorted(config["mask"])
    if arm.too_long != "refuse":
        config["max_length"] = arm.training.max_length
    return config
