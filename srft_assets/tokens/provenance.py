"""What decides the rows of an arm, beside its inputs."""

from pathlib import Path
from typing import Any

from srft_assets.outcomes.model import FAILED
from srft_assets.tokens.arm import ArmSpec
from srft_assets.tokens.labels import RESOLUTION
from srft_assets.tokens.where import candidates_sql
from srft_assets.warehouse.code import code_digest
from srft_assets.warehouse.recipe import digest

APART = frozenset({"__init__", "arm", "errors", "figures", "memory", "provenance"})
"""Modules that decide no row by their code; the settings of `arm` count by value."""

PARTS = tuple(
    f"srft_assets.tokens.{path.stem}"
    for path in sorted(Path(__file__).parent.glob("*.py"))
    if path.stem not in APART
)


def code_of(arm: ArmSpec) -> dict[str, str]:
    """Part of the code, or what stands in it by value → digest."""
    code = {"masking": code_digest(*PARTS)}
    if arm.gold is not None:
        code["gold"] = code_digest(RESOLUTION)
    if arm.runs == "unresolved":
        code["failed"] = digest(sorted(FAILED))[:16]
    if arm.where is not None:
        code["where"] = digest(candidates_sql())[:16]
    return code


def settings_of(arm: ArmSpec) -> dict[str, Any]:
    """The settings that decide tokens or mask; where nobody labels no mask setting does.

    Those that came later are named only where they differ from their default, so that the
    partitions of arms that do not know them stay as they are.
    """
    config: dict[str, Any] = {"runs": arm.runs, "model": arm.model, "critic": arm.critic}
    if arm.labelled:
        config |= {
            "mask": sorted(arm.mask),
            "mask_resolved": arm.mask_resolved,
            "unlabeled": arm.unlabeled,
        }
    later = ["where", "dedup", "per_instance", "gold", "weights", "control", "too_long"]
    if arm.per_instance is not None or arm.control == "random_mask":
        later.append("seed")
    if arm.too_long != "refuse":
        config["max_length"] = arm.training.max_length
    if arm.too_long == "windows":
        config["overlap"] = arm.overlap
    return config | arm.model_dump(mode="json", include=set(later), exclude_defaults=True)
