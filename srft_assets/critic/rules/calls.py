"""Rules about turns and calls: what was refused, what was wrong as written, what was done again."""

from srft_assets.critic.rules.facts import Facts, steps_before


def bad_format(facts: Facts, index: int) -> str | None:
    """The scaffold could not find one action, ran nothing and asked again."""
    return "no valid action: the scaffold asked again" if facts[index].refused else None


def edit_refused(facts: Facts, index: int) -> str | None:
    """The edit tool, or the program that was to edit, changed nothing."""
    return "the edit was not done" if facts[index].edit_refused else None


def command_failed(facts: Facts, index: int) -> str | None:
    """A command is wrong as it is written: its syntax, its options, a file that is not there.

    Findings of tests, linters and trials, and probes for what may be missing, are answers.
    """
    return facts[index].wrong


def repeated_failure(facts: Facts, index: int) -> str | None:
    """The same action failed before with the same answer, and nothing was changed since."""
    here = facts[index]
    if here.ok and not here.failed:
        return None
    earlier = _same_before(facts, index)
    return None if earlier is None else f"repeats the failed step {earlier} with nothing changed"


def repeated_action(facts: Facts, index: int) -> str | None:
    """The same action gave the same answer before, with no edit in between."""
    here = facts[index]
    if here.edits or here.submits:
        return None
    earlier = _same_before(facts, index)
    return None if earlier is None else f"repeats step {earlier} and learns nothing new"


def _same_before(facts: Facts, index: int) -> int | None:
    here = facts[index]
    for earlier in steps_before(index):
        there = facts[earlier]
        if there.edits and there.ok:
            return None
        same = there.commands == here.commands and there.observation == here.observation
        if here.commands and same:
            return earlier
    return None


def retry_succeeds(facts: Facts, index: int) -> str | None:
    """Does with success what the step before failed at, with the same tool."""
    if index == 0 or not facts[index].commands or facts[index - 1].ok:
        return None
    before = facts[index - 1]
    same_tool = before.refused or before.word == facts[index].word
    return f"succeeds where step {index - 1} failed" if same_tool else None


def no_action(facts: Facts, index: int) -> str | None:
    """A turn without an action, other than the last."""
    if facts[index].commands or index == len(facts) - 1:
        return None
    return "no action was taken"
