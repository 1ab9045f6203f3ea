"""Rules that find mistakes. Each returns its reason, or None."""

from collections.abc import Sequence

from srft_assets.critic.rules.edits import undoes
from srft_assets.critic.rules.facts import StepFacts

Facts = Sequence[StepFacts]


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


MISTAKES = (
    bad_format,
    edit_refused,
    repeated_failure,
    command_failed,
    edit_undone,
    broke_tests,
    edit_did_not_help,
    submitted_untested,
)
"""In order of precedence."""
