"""Controls: masks that a real one has to beat.

All of them leave alone what the critic did not judge: runs that are not masked, and steps
without a label.

- `random_mask`: the run's weights, dealt to its labelled steps at random. As many steps of every
  run are masked as by the labels, but not the same ones.
- `inverted_mask`: what was masked is trained, and the other way round. It trains mistakes on
  purpose.
- `prefix_until_mistake`: nothing is trained from the first mistake on.
"""

import random
from collections.abc import Mapping

from srft_assets.critic.verdict import Label
from srft_assets.tokens.arm import ArmSpec


def controlled(
    arm: ArmSpec, trajectory_id: str, labels: Mapping[int, Label], weights: Mapping[int, float]
) -> dict[int, float]:
    """The weights of a masked run's steps as the arm's control has them."""
    judged = [step for step in sorted(labels) if labels[step] != Label.UNLABELED]
    if arm.control == "random_mask":
        dealt = [weights[step] for step in judged]
        random.Random(f"{arm.seed} {trajectory_id}").shuffle(dealt)
        return {**weights, **dict(zip(judged, dealt, strict=True))}
    if arm.control == "inverted_mask":
        return {**weights, **{step: 0.0 if weights[step] else 1.0 for step in judged}}
    if arm.control == "prefix_until_mistake":
        first = min((step for step in judged if labels[step] == Label.MISTAKE), default=None)
        late = [step for step in labels if first is not None and step >= first]
        return {**weights, **dict.fromkeys(late, 0.0)}
    return dict(weights)
