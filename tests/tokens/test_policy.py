"""Which runs and steps each arm trains on."""

import pytest

from srft_assets.critic.verdict import Label
from srft_assets.outcomes.status import Status
from srft_assets.tokens.arm import ArmSpec, decide
from srft_assets.tokens.run_choice import takes

LABELS = {
    0: Label.GOOD,
    1: Label.MISTAKE,
    2: Label.RECOVER,
    3: Label.UNNECESSARY,
    4: Label.UNLABELED,
}


def trained(arm: ArmSpec, status: Status) -> list[int]:
    return [step for step, weight in decide(arm, "run", status, LABELS).items() if weight]


@pytest.mark.parametrize("status", list(Status))
def test_every_outcome_is_in_all_and_in_at_most_one_half(status: Status) -> None:
    of = {name: takes(ArmSpec(name="x", runs=name), status) for name in ("all", "resolved")}
    unresolved = takes(ArmSpec(name="x", runs="unresolved"), status)
    assert of["all"]
    assert of["resolved"] == (status == Status.RESOLVED)
    assert unresolved == (status not in {Status.RESOLVED, Status.UNKNOWN, Status.INFRA_ERROR})


def test_without_a_critic_nothing_is_masked() -> None:
    assert trained(ArmSpec(name="sft"), Status.UNRESOLVED) == [0, 1, 2, 3, 4]


def test_with_a_critic_mistakes_of_failed_runs_are_masked() -> None:
    arm = ArmSpec(name="srft", critic="rules")
    assert trained(arm, Status.UNRESOLVED) == [0, 2, 3]
    assert trained(arm, Status.UNKNOWN) == [0, 2, 3]
    assert trained(arm, Status.RESOLVED) == [0, 1, 2, 3, 4]


def test_resolved_runs_are_masked_where_the_arm_says_so() -> None:
    arm = ArmSpec(name="srft", critic="rules", mask_resolved=True)
    assert trained(arm, Status.RESOLVED) == [0, 2, 3]


def test_the_masked_labels_are_the_arms_own() -> None:
    arm = ArmSpec(name="x", critic="rules", mask=[Label.MISTAKE, Label.UNNECESSARY])
    assert trained(arm, Status.TIMEOUT) == [0, 2]


def test_unlabeled_steps_follow_the_arm() -> None:
    arm = ArmSpec(name="x", critic="rules", unlabeled="train")
    assert trained(arm, Status.UNRESOLVED) == [0, 2, 3, 4]
