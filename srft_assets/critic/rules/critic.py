"""The critic `rules`: every rule, the label that it gives, and the order in which they are asked.

A rule is a function `(facts, index) -> reason | None` about the step at `index`.
"""

from collections.abc import Sequence

from srft_assets.critic.rules.facts import StepFacts, facts_of, undoes
from srft_assets.critic.verdict import Label, Verdict
from srft_assets.trajectories.model import Trajectory

Facts = Sequence[StepFacts]


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


def bad_format(facts: Facts, index: int) -> str | None:
    """The scaffold could not find an action and asked again."""
    return "no valid action: the scaffold asked again" if facts[index].format_error else None


def edit_refused(facts: Facts, index: int) -> str | None:
    """The edit tool said that nothing was changed."""
    return "the edit was refused by the tool" if facts[index].edit_refused else None


def command_failed(facts: Facts, index: int) -> str | None:
    """A command other than a test run ended with an error."""
    return "the command failed" if facts[index].command_failed else None


def repeated_failure(facts: Facts, index: int) -> str | None:
    """The same action failed before, and nothing was edited since."""
    here = facts[index]
    if here.ok and not here.tests_failed:
        return None
    for earlier in range(index - 1, -1, -1):
        if facts[earlier].edits:
            return None
        if here.commands and facts[earlier].commands == here.commands:
            return f"repeats the failed step {earlier} with nothing changed"
    return None


def edit_undone(facts: Facts, index: int) -> str | None:
    """A later step takes this step's edit back."""
    if not facts[index].ok:
        return None
    for later in range(index + 1, len(facts)):
        for edit in facts[later].edits:
            if facts[later].ok and any(undoes(edit, own) for own in facts[index].edits):
                return f"the edit is undone in step {later}"
    return None


def broke_tests(facts: Facts, index: int) -> str | None:
    """Tests passed before this edit of a source file and fail in the next test run."""
    if not facts[index].ok or not any(edit.of_source for edit in facts[index].edits):
        return None
    before = [f for f in facts[:index] if f.runs_tests]
    after = next((f for f in facts[index + 1 :] if f.runs_tests or f.edits), None)
    if before and before[-1].tests_passed and after is not None and after.tests_failed:
        return "tests passed before this edit and fail after it"
    return None


def edit_did_not_help(facts: Facts, index: int) -> str | None:
    """Tests still fail after this edit of a source file, and it is edited again afterwards."""
    here = facts[index]
    if not here.ok or not any(edit.old and edit.of_source for edit in here.edits):
        return None
    after = next((i for i in range(index + 1, len(facts)) if facts[i].runs_tests), None)
    if after is None or not facts[after].tests_failed:
        return None
    paths = {edit.path for edit in here.edits}
    if any(f.edits and {e.path for e in f.edits} & paths for f in facts[index + 1 : after]):
        return None
    again = any({edit.path for edit in f.edits} & paths for f in facts[after + 1 :])
    return f"tests still fail in step {after}, and the file is edited again" if again else None


def submitted_untested(facts: Facts, index: int) -> str | None:
    """Submission with no test run after the last edit, or only failing ones."""
    if not facts[index].submits:
        return None
    for earlier in range(index - 1, -1, -1):
        if facts[earlier].runs_tests and not facts[earlier].tests_failed:
            return None
        if facts[earlier].edits:
            return f"submitted without a passing test after the edit of step {earlier}"
    return "submitted without an edit"


def undoes_edit(facts: Facts, index: int) -> str | None:
    """Takes back an earlier edit."""
    for earlier in range(index - 1, -1, -1):
        for edit in facts[index].edits:
            if any(undoes(edit, own) for own in facts[earlier].edits):
                return f"takes back the edit of step {earlier}"
    return None


def retry_succeeds(facts: Facts, index: int) -> str | None:
    """Does with success what the step before failed at, with the same tool."""
    if index == 0 or not facts[index].commands or facts[index - 1].ok:
        return None
    before = facts[index - 1]
    same_tool = before.format_error or _word(before) == _word(facts[index])
    return f"succeeds where step {index - 1} failed" if same_tool else None


def mends_tests(facts: Facts, index: int) -> str | None:
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


def repeated_action(facts: Facts, index: int) -> str | None:
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


def no_action(facts: Facts, index: int) -> str | None:
    """A turn without an action, other than the last."""
    if facts[index].commands or index == len(facts) - 1:
        return None
    return "no action was taken"


RULES = (
    (bad_format, Label.MISTAKE),
    (edit_refused, Label.MISTAKE),
    (repeated_failure, Label.MISTAKE),
    (command_failed, Label.MISTAKE),
    (edit_undone, Label.MISTAKE),
    (broke_tests, Label.MISTAKE),
    (edit_did_not_help, Label.MISTAKE),
    (submitted_untested, Label.MISTAKE),
    (undoes_edit, Label.RECOVER),
    (mends_tests, Label.RECOVER),
    (retry_succeeds, Label.RECOVER),
    (repeated_action, Label.UNNECESSARY),
    (no_action, Label.UNNECESSARY),
)
"""In order of precedence."""
