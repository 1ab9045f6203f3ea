"""Rules that find steps which get out of an earlier mistake."""

from collections.abc import Sequence

from srft_assets.critic.rules.edits import undoes
from srft_assets.critic.rules.facts import StepFacts


def undoes_edit(facts: Sequence[StepFacts], index: int) -> str | None:
    """Takes back an earlier edit."""
    for earlier in range(index - 1, -1, -1):
        for edit in facts[index].edits:
            if any(undoes(edit, own) for own in facts[earlier].edits):
                return f"takes back the edit of step {earlier}"
    return None


def retry_succeeds(facts: Sequence[StepFacts], index: int) -> str | None:
    """Does with success what the step before failed at, with the same tool."""
    if index == 0 or not facts[index].commands or facts[index - 1].ok:
        return None
    before = facts[index - 1]
    same_tool = before.format_error or _word(before) == _word(facts[index])
    return f"succeeds where step {index - 1} failed" if same_tool else None


def mends_tests(facts: Sequence[StepFacts], index: int) -> str | None:
    """An edit of a source file after a failed attempt, whose next test run passes."""
    if not any(edit.of_source for edit in facts[index].edits):
        return None
    before = [f for f in facts[:index] if f.runs_tests or f.edits]
    after = next((f for f in facts[index + 1 :] if f.runs_tests or f.edits), None)
    tried = (
        any(f.ok and any(edit.of_source for edit in f.edits) for f in before)
        and before[-1].tests_failed
    )
    if tried and after is not None and after.tests_passed:
        return "tests failed after an earlier edit and pass after this one"
    return None


def _word(facts: StepFacts) -> str:
    words = facts.commands[0].split(maxsplit=2) if facts.commands else []
    return " ".join(words[:2])


RECOVER = (undoes_edit, mends_tests, retry_succeeds)
