"""Rules about edits: what they broke, did not mend, or had to be taken back; and the submission."""

import re
from collections.abc import Sequence

from srft_assets.critic.rules.answers import broken_files
from srft_assets.critic.rules.edits import Edit, same_place, undoes
from srft_assets.critic.rules.facts import StepFacts

Facts = Sequence[StepFacts]
_PROBE = re.compile(
    r"\b(print|pprint|console\.log|printf?|fprintf|log(ger|ging)?\.\w+|breakpoint|set_trace|warn)\s*\("
    r"|\bpdb\b|\bdebug",
    re.IGNORECASE,
)
"""Text that is put into code to see what it does."""


def edit_broke_code(facts: Facts, index: int) -> str | None:
    """The file cannot be compiled after this edit, or uses a name that is not there."""
    here = facts[index]
    if not here.ok or not here.edits:
        return None
    ran = index if here.tries else _next(facts, index)
    if ran is None:
        return None
    broken = broken_files(facts[ran].observation) if facts[ran].failed else []
    for edit in here.edits:
        if not edit.restores and any(edit.path and edit.is_of(path) for path in broken):
            return f"step {ran} shows that the code of {edit.path} is broken"
    return None


def _next(facts: Facts, index: int) -> int | None:
    """The first later step that runs code, if no other step edits before it."""
    for later in range(index + 1, len(facts)):
        if facts[later].tries:
            return later
        if facts[later].edits:
            return None
    return None


def _own(facts: Facts, index: int) -> list[Edit]:
    """The step's edits of source files, less those that only take an earlier one back."""
    edits = facts[index].source_edits
    before = [edit for fact in facts[:index] for edit in fact.edits] if edits else []
    return [edit for edit in edits if not any(undoes(edit, one) for one in before)]


def edit_undone(facts: Facts, index: int) -> str | None:
    """A later step takes this step's edit of a source file back, for good."""
    later = _undone(facts, index)
    return None if later is None else f"the edit is undone in step {later}"


def undoes_edit(facts: Facts, index: int) -> str | None:
    """Takes back an earlier edit."""
    if not any(edit.restores or edit.old for edit in facts[index].edits):
        return None
    for earlier in range(index - 1, -1, -1):
        if _undone(facts, earlier) == index:
            return f"takes back the edit of step {earlier}"
    return None


def _undone(facts: Facts, index: int) -> int | None:
    """The step that takes back an edit of this one. To look at the state before, or to take out
    what was put in to see something, undoes no mistake."""
    own = [edit for edit in _own(facts, index) if not _PROBE.search(edit.new)]
    if not own:
        return None
    undone = None
    for later in range(index + 1, len(facts)):
        edits = facts[later].edits if facts[later].ok else ()
        if undone is None and any(undoes(edit, one) for edit in edits for one in own):
            undone = later
        elif undone is not None and any(_again(edit, one) for edit in edits for one in own):
            return None
    return undone


def _again(later: Edit, earlier: Edit) -> bool:
    """Whether the same edit is made once more."""
    return not later.restores and later.is_of(earlier.path) and later.new == earlier.new


def broke_tests(facts: Facts, index: int) -> str | None:
    """Tests that passed before this edit of a source file fail after it."""
    ran = _ran_after(facts, index) if _own(facts, index) else None
    if ran is None or not facts[ran].failed or not facts[ran].tests:
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
    known = [edit for edit in _own(facts, index) if edit.old or edit.new]
    ran = _ran_after(facts, index) if known else None
    if ran is None or not facts[ran].failed:
        return None
    after, rest = facts[ran], facts[ran + 1 :]
    edits = [fact.source_edits for fact in rest if fact.source_edits]
    if (before := _ran_before(facts, index, ran)) is None:
        edited_over = after.tests and _over(edits[:1], known)
        return f"step {ran} fails, and the edit is edited over" if edited_over else None
    if not after.failing >= facts[before].failing > frozenset():
        return None
    # Tests with names do not change by themselves: for them an edit of the file is enough.
    edited_over = _over(edits, known, whole_file=after.tests)
    given_up = not any(fact.submits for fact in rest[1:])
    return f"step {ran} fails as step {before} did" if edited_over or given_up else None


def _over(later: list[tuple[Edit, ...]], own: list[Edit], whole_file: bool = False) -> bool:
    """Whether one of these edits replaces what a later one replaces too, or put there."""
    pairs = [(edit, one) for edits in later for edit in edits for one in own]
    return any(e.is_of(o.path) if whole_file else same_place(e, o) for e, o in pairs)


def _ran_after(facts: Facts, index: int) -> int | None:
    """The first run of tests or code after this step, with no other edit of source before it."""
    for later in range(index + 1, len(facts)):
        if facts[later].source_edits:
            return None
        if facts[later].tries:
            return later
    return None


def _ran_before(facts: Facts, index: int, ran: int) -> int | None:
    """The last time that the same ran before this step, with no other edit of source between."""
    for earlier in range(index - 1, -1, -1):
        if facts[earlier].source_edits:
            return None
        if facts[earlier].tries and facts[earlier].commands == facts[ran].commands:
            return earlier
    return None


def mends_tests(facts: Facts, index: int) -> str | None:
    """An edit of a source file after a failed attempt, whose next test run passes."""
    if not facts[index].source_edits:
        return None
    before = [fact for fact in facts[:index] if fact.tests or fact.source_edits]
    after = next((f for f in facts[index + 1 :] if f.tests or f.source_edits), None)
    tried = any(fact.source_edits for fact in before) and before[-1].failed
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
    """Submission with nothing run after the last edit of a source file, or only failing tests."""
    if not facts[index].submits:
        return None
    for earlier in range(index - 1, -1, -1):
        fact = facts[earlier]
        if fact.tries and not (fact.tests and fact.failed):
            return None
        if not fact.source_edits:
            continue
        if all(_made_before(facts, earlier, edit) for edit in fact.source_edits):
            return None
        return f"submitted without a passing test after the edit of step {earlier}"
    return None


def _made_before(facts: Facts, index: int, edit: Edit) -> bool:
    """Whether the same edit was made in an earlier step, and taken back to look at the baseline."""
    earlier = [one for fact in facts[:index] for one in fact.edits]
    return edit in earlier and any(undoes(one, edit) for one in earlier)
