"""Rules that find steps which changed and taught nothing."""

from collections.abc import Sequence

from srft_assets.critic.rules.facts import StepFacts


def repeated_action(facts: Sequence[StepFacts], index: int) -> str | None:
    """The same action gave the same answer before, with no edit in between."""
    here = facts[index]
    if not here.commands or here.edits or here.submits:
        return None
    for earlier in range(index - 1, -1, -1):
        there = facts[earlier]
        if there.edits:
            return None
        if there.commands == here.commands and there.observation == here.observation:
            return f"repeats step {earlier} and learns nothing new"
    return None


def no_action(facts: Sequence[StepFacts], index: int) -> str | None:
    """A turn without an action, other than the last."""
    if facts[index].commands or index == len(facts) - 1:
        return None
    return "no action was taken"


UNNECESSARY = (repeated_action, no_action)
