"""The critic `rules`: every rule, the label that it gives, and the order in which they are asked.

A rule is a function `(facts, index) -> reason | None` about the step at `index`: about turns and
calls, what was refused, wrong as written, or done again; about edits, what they broke, did not
mend, or had to be taken back; and about the submission.
"""

import re

from srft_assets.critic.rules.edits import Edit, same_place, undoes
from srft_assets.critic.rules.facts import (
    FAR,
    Facts,
    facts_of,
    last_error,
    last_frame,
    own_fault,
    steps_after,
    steps_before,
)
from srft_assets.critic.verdict import Label, Verdict
from srft_assets.trajectories.model import Trajectory

_PROBE = re.compile(
    r"\b(print|pprint|console\.log|printf?|fprintf|log(ger|ging)?\.\w+|breakpoint|set_trace|warn)\s*\("
    r"|\bpdb\b|\bdebug|\btraceback\b|\bsys\.std|/tmp/|\braise RuntimeError\(",
    re.IGNORECASE,
)
"""Text that is put into code to see what it does."""


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
    if facts[index].commands or index == len(facts) - 1:
        return None
    return "no action was taken"


def edit_broke_code(facts: Facts, index: int) -> str | None:
    """The code that was written is wrong by itself: Python cannot compile it, a name is not there,
    or a trial script fails in its own lines and is edited next.
    """
    here = facts[index]
    ran = _ran_next(facts, index) if here.ok and here.edits else None
    if ran is None or not facts[ran].failed:
        return None
    seen = facts[ran].observation
    file = last_frame(seen)
    own = next((one for one in here.edits if one.path and one.is_of(file)), None)
    if own is None or own.restores or not file or (own.of_source and _edited(facts, index, file)):
        return None
    if own_fault(seen) or (not own.of_source and _mended(facts, ran, file)):
        return f"step {ran} shows that the code of {own.path} is broken"
    return None


def _ran_next(facts: Facts, index: int) -> int | None:
    """The first run of code from this step on, if nothing else is edited before it."""
    for later in (index, *steps_after(facts, index)):
        if facts[later].tries:
            return later
        if facts[later].edits and later > index:
            return None
    return None


def _edited(facts: Facts, index: int, file: str) -> bool:
    """Whether the file was edited earlier too and nothing run since: either may be at fault."""
    for earlier in steps_before(index):
        if facts[earlier].tries:
            return False
        if facts[earlier].ok and any(edit.is_of(file) for edit in facts[earlier].edits):
            return True
    return False


def _mended(facts: Facts, ran: int, file: str) -> bool:
    """Whether the next edit is of the file whose own line failed, other than in an assertion."""
    if last_error(facts[ran].observation).startswith("AssertionError"):
        return False
    edits = next((edits for step in steps_after(facts, ran) if (edits := facts[step].edits)), ())
    return any(edit.is_of(file) for edit in edits)


def _own(facts: Facts, index: int) -> list[Edit]:
    """The step's edits of source files, less those that only take an earlier one back."""
    edits = facts[index].source_edits
    before = [one for step in steps_before(index) for one in facts[step].edits] if edits else []
    return [edit for edit in edits if not any(undoes(edit, one) for one in before)]


def edit_undone(facts: Facts, index: int) -> str | None:
    """A later step takes this step's edit of a source file back, for good."""
    later = _undone(facts, index)
    return None if later is None else f"the edit is undone in step {later}"


def undoes_edit(facts: Facts, index: int) -> str | None:
    here = facts[index].edits
    for earlier in steps_before(index):
        back = any(undoes(edit, one) for edit in here for one in facts[earlier].edits)
        if back and _undone(facts, earlier) == index:
            return f"takes back the edit of step {earlier}"
    return None


def _undone(facts: Facts, index: int) -> int | None:
    """The step that takes back the edits of this one, before anything ran well with them.

    To look at the state before, or to take out what was put in to see something, undoes no mistake.
    `git checkout` takes back all that was done to a file, of which only the last is known as wrong.
    """
    own = [edit for edit in _own(facts, index) if not _PROBE.search(edit.new)]
    for later in steps_after(facts, index):
        if not own:
            return None
        fact = facts[later]
        if fact.ok and any(undoes(edit, one) for edit in fact.edits for one in own):
            if _looks(facts, later):
                return None
            rest = (e for after in (later, *steps_after(facts, later)) for e in facts[after].edits)
            return None if any(_again(edit, one) for edit in rest for one in own) else later
        if fact.tries and not fact.failed:
            return None
        own = [one for one in own if not any(e.is_of(one.path) for e in fact.source_edits)]
    return None


def _looks(facts: Facts, index: int) -> bool:
    """Whether code is run from this step on before source is edited: a look at the baseline."""
    if facts[index].tries:
        return True
    for later in steps_after(facts, index):
        if facts[later].tries or facts[later].source_edits:
            return not facts[later].source_edits
    return False


def _again(later: Edit, earlier: Edit) -> bool:
    """Whether the same edit is made once more, or the file put back from a copy."""
    same = later.new == earlier.new or not (later.old or later.new)
    return not later.restores and later.is_of(earlier.path) and same


def broke_tests(facts: Facts, index: int) -> str | None:
    """Tests that passed before this edit of a source file fail after it."""
    ran = _ran_after(facts, index) if _own(facts, index) else None
    if ran is None or not (facts[ran].failed and facts[ran].tests):
        return None
    if (earlier := _ran_before(facts, index, ran)) is None:
        return None
    before, after = facts[earlier], facts[ran]
    if before.passed or (before.failing and after.failing - before.failing):
        return f"tests that passed in step {earlier} fail in step {ran}"
    return None


def edit_did_not_help(facts: Facts, index: int) -> str | None:
    """What ran before fails in the same way after this edit, and it is edited over, or the run
    ends with that. Where nothing ran before: tests fail, and the next edit is over this one.
    """
    known = [edit for edit in _own(facts, index) if edit.old and not _PROBE.search(edit.new)]
    ran = _ran_after(facts, index) if known else None
    if ran is None or not facts[ran].failed:
        return None
    after = facts[ran]
    edits = [later for step in steps_after(facts, ran) if (later := facts[step].source_edits)]
    if (before := _ran_before(facts, index, ran)) is None:
        edited_over = after.tests and _over(edits[:1], known)
        return f"step {ran} fails, and the edit is edited over" if edited_over else None
    if not after.failing >= facts[before].failing > frozenset():
        return None
    # Tests with names do not change by themselves: for them an edit of the file is enough.
    edited_over = _over(edits, known, whole_file=after.tests)
    given_up = not any(fact.submits for fact in facts[max(ran + 2, len(facts) - FAR) :])
    return f"step {ran} fails as step {before} did" if edited_over or given_up else None


def _over(later: list[tuple[Edit, ...]], own: list[Edit], whole_file: bool = False) -> bool:
    """Whether one of these edits replaces what a later one replaces too, or put there."""
    pairs = [(edit, one) for edits in later for edit in edits for one in own]
    return any(e.is_of(o.path) if whole_file else same_place(e, o) for e, o in pairs)


def _ran_after(facts: Facts, index: int) -> int | None:
    """The first run of tests or code after this step, with no other edit of source before it."""
    for later in steps_after(facts, index):
        if facts[later].source_edits:
            return None
        if facts[later].tries:
            return later
    return None


def _ran_before(facts: Facts, index: int, ran: int) -> int | None:
    """The last time that the same ran before this step, with no other edit of source between."""
    for earlier in steps_before(index):
        if facts[earlier].source_edits:
            return None
        if facts[earlier].tries and facts[earlier].commands == facts[ran].commands:
            return earlier
    return None


def mends_tests(facts: Facts, index: int) -> str | None:
    """An edit of a source file after a failed attempt, whose next test run passes."""
    if not facts[index].source_edits:
        return None
    before = [f for step in steps_before(index) if (f := facts[step]).tests or f.source_edits]
    later = (facts[step] for step in steps_after(facts, index))
    after = next((fact for fact in later if fact.tests or fact.source_edits), None)
    tried = any(fact.source_edits for fact in before) and before[0].failed
    if tried and after is not None and after.passed:
        return "tests failed after an earlier edit and pass after this one"
    return None


def submitted_nothing(facts: Facts, index: int) -> str | None:
    """Submission of no patch, or none that is known, without an edit."""
    here = facts[index]
    if not here.submits or here.submitted or any(fact.edits for fact in facts[: index + 1]):
        return None
    return "submitted without an edit"


def submitted_untested(facts: Facts, index: int) -> str | None:
    """Submission of edits of source, since which tests only failed, or nothing ran at all.

    What is tidied up after the tests passed (a remark, a debug print) needs no further test.
    """
    if not facts[index].submits:
        return None
    edited = [
        earlier
        for earlier in range(index)
        if any(not edit.restores for edit in facts[earlier].source_edits)
    ]
    if not edited:
        return None
    if any(fact.tries and not (fact.tests and fact.failed) for fact in facts[edited[0] : index]):
        return None
    return f"submitted without a passing test after the edit of step {edited[-1]}"


RULES = (
    (bad_format, Label.MISTAKE),
    (edit_refused, Label.MISTAKE),
    (repeated_failure, Label.MISTAKE),
    (command_failed, Label.MISTAKE),
    (edit_broke_code, Label.MISTAKE),
    (edit_undone, Label.MISTAKE),
    (broke_tests, Label.MISTAKE),
    (edit_did_not_help, Label.MISTAKE),
    (submitted_nothing, Label.MISTAKE),
    (submitted_untested, Label.MISTAKE),
    (undoes_edit, Label.RECOVER),
    (mends_tests, Label.RECOVER),
    (retry_succeeds, Label.RECOVER),
    (repeated_action, Label.UNNECESSARY),
    (no_action, Label.UNNECESSARY),
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
