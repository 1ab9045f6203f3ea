"""What decides the rows of an arm, beside its inputs."""

from typing import Any

from srft_assets.tokens.arm import ArmSpec
from srft_assets.tokens.where import candidates_sql
from srft_assets.warehouse.recipe import digest


def sql_of(arm: ArmSpec) -> dict[str, str]:
    """Digest of the SQL around the arm's `where`, where it has one."""
    return {} if arm.where is None else {"where": digest(candidates_sql())[:16]}


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
