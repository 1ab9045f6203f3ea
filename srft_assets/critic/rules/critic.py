"""The rules critic."""

from collections.abc import Sequence
from dataclasses import dataclass

from srft_assets.critic.rules.facts import StepFacts, facts_of
from srft_assets.critic.rules.mistakes import MISTAKES
from srft_assets.critic.rules.recover import RECOVER
from srft_assets.critic.rules.unnecessary import UNNECESSARY
from srft_assets.critic.verdict import Label, Verdict
from srft_assets.outcomes.model import TestOutcome
from srft_assets.trajectories.model import Trajectory

RULES = (
    *((rule, Label.MISTAKE) for rule in MISTAKES),
    *((rule, Label.RECOVER) for rule in RECOVER),
    *((rule, Label.UNNECESSARY) for rule in UNNECESSARY),
)


@dataclass(frozen=True, slots=True)
class RulesCritic:
    """Labels steps by the first rule that applies; `good` where none does.

    The outcome is not looked at: a step is judged by what the run itself shows.
    """

    name: str = "rules"

    def judge(self, run: Trajectory, outcome: TestOutcome) -> list[Verdict]:
        """One verdict for every step, in step order."""
        facts = facts_of(run)
        return [_verdict(facts, index) for index in range(len(facts))]


def _verdict(facts: Sequence[StepFacts], index: int) -> Verdict:
    for rule, label in RULES:
        reason = rule(facts, index)
        if reason is not None:
            return Verdict(index, label, reason, rule.__name__)
    return Verdict(index, Label.GOOD, "no rule objects", "")
