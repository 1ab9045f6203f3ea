"""Which runs an arm takes, and which of their steps it trains."""

from collections.abc import Mapping

from srft_assets.critic.verdict import Label
from srft_assets.outcomes.model import FAILED, Status
from srft_assets.tokens.arm import ArmSpec


def takes(arm: ArmSpec, status: Status) -> bool:
    """Whether runs of this outcome belong to the arm.

    `all` takes every run, ungraded ones as well. `unresolved` takes what is the model's own
    failure; `unknown` and `infra_error` say nothing of the model and are in neither half.
    """
    if arm.runs == "resolved":
        return status == Status.RESOLVED
    if arm.runs == "unresolved":
        return status in FAILED
    return True


def decide(arm: ArmSpec, status: Status, labels: Mapping[int, Label]) -> dict[int, bool]:
    """step_index → whether the step carries loss, for every step in `labels`.

    Without a critic every step is trained, and so is every step of a resolved run unless the
    arm says `mask_resolved`. Ungraded runs are masked like failed ones. A step that the critic
    gave no label follows `unlabeled`.
    """
    if arm.critic is None or (status == Status.RESOLVED and not arm.mask_resolved):
        return dict.fromkeys(labels, True)
    masked = set(arm.mask) | ({Label.UNLABELED} if arm.unlabeled == "mask" else set())
    return {step: label not in masked for step, label in labels.items()}
