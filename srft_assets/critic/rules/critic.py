"""The critic `rules`: every rule, the label that it gives, and the order in which they are asked.

A rule is a function `(facts, index) -> reason | None` about the step at `index`.
"""

from srft_assets.critic.rules import calls, changes
from srft_assets.critic.rules.facts import Facts, facts_of
from srft_assets.critic.verdict import Label, Verdict
from srft_assets.trajectories.model import Trajectory

RULES = (
    (calls.bad_format, Label.MISTAKE),
    (calls.edit_refused, Label.MISTAKE),
    (calls.repeated_failure, Label.MISTAKE),
    (calls.command_failed, Label.MISTAKE),
    (changes.edit_broke_code, Label.MISTAKE),
    (changes.edit_undone, Label.MISTAKE),
    (changes.broke_tests, Label.MISTAKE),
    (changes.edit_did_not_help, Label.MISTAKE),
    (changes.submitted_nothing, Label.MISTAKE),
    (changes.submitted_untested, Label.MISTAKE),
    (changes.undoes_edit, Label.RECOVER),
    (changes.mends_tests, Label.RECOVER),
    (calls.retry_succeeds, Label.RECOVER),
    (calls.repeated_action, Label.UNNECESSARY),
    (calls.no_action, Label.UNNECESSARY),
)
"""In order of precedence."""


def judge(run: Trajectory) -> list[Verdict]:
    """One verdict for every step, in step order: by the first rule that applies, else `good`.

    The outcome is not looked at: a step is judged by what the run itself shows.
    """
    facts = facts_of(run)
    return [_verdict(facts, index) for index in range(len(facts))]


def _verdict(facts: Facts, index: int) -> Verdict:
    for rule, label in RULES:
        reason = rule(facts, index)
        if reason is not None:
            return Verdict(index, label, reason, rule.__name__)
    return Verdict(index, Label.GOOD, "no rule objects")
