"""The asset `integrity`: what runs of a batch hide, one row a finding."""

import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import polars as pl

from srft_assets.critic.rules.facts import StepFacts, facts_of
from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.integrity.finding import (
    INTEGRITY,
    Finding,
    Kind,
    counted,
    finding_row,
    tainted_runs,
)
from srft_assets.integrity.history import History
from srft_assets.integrity.network import fetches, git_outputs, reads_the_grading, repository_of
from srft_assets.integrity.patch import of_changes
from srft_assets.trajectories.model import Step, Trajectory, from_row, text_of
from srft_assets.trajectories.steps import SHELLS
from srft_assets.warehouse.recipe import digest, source_digest
from srft_assets.warehouse.stage import Made, Stage, Upstream, Work

VERSION = 4
"""Raised when the output changes; see tools/versions.py."""
FACTS = tuple(f"srft_assets.critic.rules.{name}" for name in ("commands", "edits", "facts"))
"""What the rules of the critic know of a step too; an edit of a rule makes no finding anew."""
ASSET = "integrity"
TASK_CHARS = 100_000

DESCRIPTION = """What the outcome of a run does not show, one row a finding.

Steps that read the fix (later commits, the project on the network, the patch it is graded by), and
of the submitted patch: tests that are taken out or disabled, settings of tests, and answers that
are hard-coded. Found by fixed rules on parsed commands and what answered them; a step that did not
succeed is no find. A run with a finding that taints is left out of training by default
(`integrity` of an arm).
"""


def findings_of(run: Trajectory) -> list[Finding]:
    """Everything that is found of a run, in the order of its steps."""
    facts = facts_of(run)
    found = [*_reads(run, facts), *of_changes(run.submission, facts)]
    return sorted(found, key=lambda one: one.step_index or 0)


def _reads(run: Trajectory, facts: list[StepFacts]) -> Iterator[Finding]:
    first = run.steps[0].message_index if run.steps else 0
    task = "\n".join(text_of(one.get("content")) for one in run.messages[:first])[:TASK_CHARS]
    history, repository = History(task), repository_of(run.instance_id)
    own: list[str] = []
    for index, (step, one) in enumerate(zip(run.steps, facts, strict=True)):
        tools = _tools(step)
        own += [edit.path for edit in one.edits] + git_outputs(one)
        for rule, reason in (
            ("later_commits", history.reads(one)),
            ("upstream", fetches(one, tools, repository)),
            ("grading", reads_the_grading(one, tools, own)),
        ):
            if reason:
                yield Finding(index, Kind.READS_FIX, rule, reason)


def _tools(step: Step) -> list[tuple[str, str]]:
    """Name and text of the actions that are no shell commands."""
    return [(one.tool, one.command) for one in step.actions if one.tool not in SHELLS]


def integrity_stage(weak_tests: str | None = None) -> Stage:
    """The stage. `weak_tests`: path of a list of tasks; see docs/integrity.md."""

    def config_of(home: Home, batch: str) -> dict[str, Any]:
        return {"weak tests": digest(sorted(weak_tasks(weak_tests)))} if weak_tests else {}

    return Stage(
        key=ASSET,
        partitioned_by="batch",
        upstream=(Upstream("trajectories"),),
        schema=INTEGRITY,
        code={"version": VERSION, "facts": source_digest(*FACTS)},
        make=lambda work: _make(work, weak_tasks(weak_tests)),
        config_of=config_of,
        volatile=("reason", "rule"),
        description=DESCRIPTION,
        kinds=frozenset({"parquet", "python"}),
    )


def _make(work: Work, weak: Collection[str]) -> Made:
    runs = work.read("trajectories")
    label = f"{ASSET} {work.partition}"
    rows = []
    for row in work.progress.track(runs.iter_rows(named=True), label, runs.height):
        run = from_row(row)
        found = findings_of(run)
        if run.instance_id in weak:
            reason = "the tests of this task are known to accept wrong patches"
            found.append(Finding(None, Kind.WEAK_TESTS, "listed", reason, taints=False))
        rows += [finding_row(run.trajectory_id, run.instance_id, one) for one in found]
    frame = pl.DataFrame(rows, schema=INTEGRITY, orient="row")
    tainted = tainted_runs(frame)
    figures = {"runs": runs.height, "findings": frame.height, "runs_tainted": len(tainted)}
    return Made(frame, metadata=figures | counted(tainted.values()))


def weak_tasks(path: str | None) -> set[str]:
    """The instance ids of a list, one a line; `#` begins a comment. Raises SrftError, naming file
    and line, for a line that is no id."""
    if path is None:
        return set()
    found = set()
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SrftError(f"weak_tests: {path} cannot be read: {error}") from None
    for number, line in enumerate(lines, 1):
        name = line.partition("#")[0].strip()
        if re.search(r"\s", name):
            raise SrftError(f"{path}:{number}: state one instance id a line")
        found |= {name} - {""}
    return found
