"""How much loss the steps of a run carry: the arm's policy, and the controls it is compared with.

Controls are masks that a real one has to beat. All of them leave alone what the critic did not
judge: runs that are not masked, and steps without a label.

- `random_mask`: the run's weights, dealt to its labelled steps at random. As many steps of every
  run are masked as by the labels, but not the same ones.
- `inverted_mask`: what was masked is trained, and the other way round. It trains mistakes on
  purpose.
- `prefix_until_mistake`: nothing is trained from the first mistake on.
"""

import random
from collections.abc import Mapping
from typing import Any

from srft_assets.critic.verdict import Label
from srft_assets.outcomes.status import Status
from srft_assets.tokens.arm import ArmSpec


def decide(
    arm: ArmSpec, trajectory_id: str, status: Status, labels: Mapping[int, Label]
) -> dict[int, float]:
    """step_index → loss weight, 0 where the step is masked, for every step in `labels`.

    Where nobody's labels mask, every step weighs 1, and so does every step of a resolved run
    unless the arm says `mask_resolved`. Ungraded runs are masked like failed ones.
    """
    if not arm.labelled or (status == Status.RESOLVED and not arm.mask_resolved):
        return dict.fromkeys(labels, 1.0)
    weights = {step: weight_of(arm, label) for step, label in labels.items()}
    return weights | _controlled(arm, trajectory_id, labels, weights)


def weight_of(arm: ArmSpec, label: Label) -> float:
    """Loss weight of a step with this label, in runs that are masked; before any control."""
    if label in arm.weights:
        return arm.weights[label]
    masked = arm.unlabeled == "mask" if label == Label.UNLABELED else label in arm.mask
    return 0.0 if masked else 1.0


def _controlled(
    arm: ArmSpec, trajectory_id: str, labels: Mapping[int, Label], weights: Mapping[int, float]
) -> dict[int, float]:
    """The weights that the arm's control changes, by step."""
    judged = [step for step in sorted(labels) if labels[step] != Label.UNLABELED]
    if arm.control == "random_mask":
        dealt = [weights[step] for step in judged]
        random.Random(f"{arm.seed} {trajectory_id}").shuffle(dealt)
        return dict(zip(judged, dealt, strict=True))
    if arm.control == "inverted_mask":
        return {step: 0.0 if weights[step] else 1.0 for step in judged}
    if arm.control == "prefix_until_mistake":
        first = min((step for step in judged if labels[step] == Label.MISTAKE), default=None)
        return {step: 0.0 for step in labels if first is not None and step >= first}
    return {}


def forbidden(arm: ArmSpec) -> dict[str, Any]:
    """What of a masked run must not be trained: parameters of `trained_tokens_accepted`.

    `masked`: labels. `unlabeled`: the label of steps without one, where they are masked, else
    empty. `until_mistake`: whether also what comes after a mistake. `as_many_as`: labels of which
    as many steps as there are must be masked, whichever they are; empty where that says nothing.
    """
    judged = [label for label in Label if label != Label.UNLABELED] if arm.labelled else []
    masked = [str(label) for label in judged if not weight_of(arm, label)]
    unlabeled = arm.labelled and not weight_of(arm, Label.UNLABELED)
    found: dict[str, Any] = {
        "masked": masked,
        "unlabeled": str(Label.UNLABELED) if unlabeled else "",
        "mask_resolved": arm.mask_resolved,
        "until_mistake": arm.control == "prefix_until_mistake",
        "as_many_as": [],
    }
    if arm.control == "inverted_mask":
        found["masked"] = [str(label) for label in judged if weight_of(arm, label)]
    if arm.control == "random_mask":
        whole = arm.too_long in ("refuse", "drop")
        found |= {"masked": [], "as_many_as": masked if whole else []}
    return found
