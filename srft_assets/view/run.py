"""A run as its page shows it: every text as HTML that is safe, every verdict beside its step."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import polars as pl
from markupsafe import Markup

from srft_assets.critic.verdict import Label, Verdict
from srft_assets.errors import SrftError, UsageError
from srft_assets.outcomes.status import TestOutcome
from srft_assets.outcomes.task import gold_patches
from srft_assets.show.find import PLACES, Place, find_place, outcome_at, row_at
from srft_assets.trajectories.model import Step, Trajectory, from_row, text_of
from srft_assets.view.index import LETTERS, Index
from srft_assets.view.markup import LIMIT, command, lines_of, shown, word

OPEN_LINES = 14
"""A longer observation is folded."""
PREVIEW = 160
WRAPPING = re.compile(r"\s*<(returncode>.*|output>)\s*$")
"""Lines that mini-swe-agent puts around what was printed: they say nothing of it."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A run and where it lies, with what each judge says of its steps."""

    place: Place
    run: Trajectory
    outcome: TestOutcome | None
    judges: dict[str, dict[int, Verdict]]
    gold_patch: str | None = None
    findings: tuple[dict[str, Any], ...] = ()
    """Rows of `integrity`: what the outcome does not show, e.g. that a step reads the fix."""

    @property
    def agreement(self) -> list[bool | None]:
        """For each step whether all judges shown agree; None where fewer than two labelled it."""
        return [_agree(self.said_of(step.step_index)) for step in self.run.steps]

    def said_of(self, index: int) -> list[Verdict]:
        """The verdicts of the judges on a step."""
        return [said[index] for said in self.judges.values() if index in said]


def _agree(verdicts: list[Verdict]) -> bool | None:
    labels = {verdict.label for verdict in verdicts}
    return len(labels) == 1 if len(verdicts) > 1 else None


def open_run(index: Index, name: str, judges: Iterable[str] | None = None) -> Opened:
    """The run of that id, or of its unique beginning; with the verdicts of `judges`, or of every
    critic. Raises UsageError where no run or several fit, or where a judge is unknown.
    """
    place = place_of(index, name)
    warehouse = index.warehouse
    wanted = index.critics() if judges is None else list(judges)
    recorded = place.asset == PLACES[0]
    run = from_row(row_at(warehouse, place.asset, place))
    return Opened(
        place,
        run,
        outcome_at(warehouse, place) if recorded else None,
        {one: found for one in wanted if recorded and (found := verdicts_of(index, place, one))},
        _gold_patch(index, place, run.instance_id) if recorded else None,
        _findings(index, place) if recorded else (),
    )


def place_of(index: Index, name: str) -> Place:
    """Where a run lies: looked up, and searched for where it is no recorded run's whole id."""
    batch = index.batch_of(name)
    if batch is not None:
        return Place(PLACES[0], batch, name)
    return find_place(index.home, name)


def verdicts_of(index: Index, place: Place, judge: str) -> dict[int, Verdict]:
    """Step → verdict of a critic (`NAME`), or of a version of it (`NAME@VERSION`)."""
    columns = ["trajectory_id", "step_index", "label", "reason", "rule"]
    files = [file for file in index.files_of(judge) if file[2] == place.partition]
    if not files:
        return {}
    rows = index.warehouse.read(*files[0][:2], columns=columns)
    own = rows.filter(pl.col("trajectory_id") == place.trajectory_id).drop("trajectory_id")
    return {
        step: Verdict(step, Label(label), reason, rule) for step, label, reason, rule in own.rows()
    }


def _gold_patch(index: Index, place: Place, instance: str) -> str | None:
    """The reference patch, where the platform has the task; a broken file of tasks says nothing of
    the run, and is told by who reads all of it."""
    try:
        return gold_patches(index.home, place.partition).get(instance)
    except SrftError:
        return None


def _findings(index: Index, place: Place) -> tuple[dict[str, Any], ...]:
    try:
        rows = index.warehouse.read("integrity", place.partition)
    except FileNotFoundError:
        return ()
    return tuple(rows.filter(pl.col("trajectory_id") == place.trajectory_id).to_dicts())


def letters(said: dict[int, Verdict], count: int) -> str:
    """One letter a step; a blank where the judge said nothing."""
    return "".join(LETTERS[said[n].label] if n in said else " " for n in range(count))


def step_views(opened: Opened, base: str) -> Iterator[dict[str, Any]]:
    """What the template needs of each step. `base`: address below which whole texts lie."""
    for step, agreed in zip(opened.run.steps, opened.agreement, strict=True):
        place = f"{base}/{step.step_index}"
        yield {
            "index": step.step_index,
            "thought": _part(step.thought.strip("\n"), f"{place}/thought"),
            "actions": [
                {"tool": word(one.tool), **_part(one.command, f"{place}/command-{n}", command)}
                for n, one in enumerate(step.actions)
            ],
            "observations": list(_observations(step, place)),
            "verdicts": [
                verdict_view(judge, said[step.step_index])
                for judge, said in opened.judges.items()
                if step.step_index in said
            ],
            "agreed": agreed,
        }


def verdict_view(judge: str, verdict: Verdict) -> dict[str, Any]:
    """A verdict for the template."""
    return {
        "judge": word(judge),
        "label": verdict.label.value,
        "letter": LETTERS[verdict.label],
        "reason": shown(verdict.reason, 2_000),
        "rule": word(verdict.rule) if verdict.rule else "",
    }


def _part(text: str, whole: str, draw: Any = shown) -> dict[str, Any]:
    return {
        "html": draw(text) if text else Markup(""),
        "lines": lines_of(text),
        "whole": whole if len(text) > LIMIT else "",
    }


def _observations(step: Step, place: str) -> Iterator[dict[str, Any]]:
    codes = step.return_codes[: len(step.observations)]
    for n, (text, code) in enumerate(zip_longest(step.observations, codes)):
        part = _part(text.strip("\n"), f"{place}/observation-{n}")
        lines = (line for line in text[:4_000].splitlines() if line.strip())
        first = next((line for line in lines if not WRAPPING.match(line)), "")
        yield {
            **part,
            "code": code,
            "open": part["lines"] <= OPEN_LINES and len(text) < LIMIT,
            "preview": word(first[:PREVIEW]),
        }


def prompt_views(run: Trajectory, base: str) -> list[dict[str, Any]]:
    """The messages before the first step; the task itself, the last of them, is open."""
    first = run.steps[0].message_index if run.steps else len(run.messages)
    shown_ones = run.messages[:first]
    return [
        {
            "role": word(message.get("role")),
            "open": n == len(shown_ones) - 1,
            **_part(text_of(message.get("content")), f"{base}/message-{n}/text"),
        }
        for n, message in enumerate(shown_ones)
    ]


def whole_text(run: Trajectory, at: str, part: str) -> str:
    """A text of the run, whole: of a step (`thought`, `command-N`, `observation-N`), of a message
    (`message-N`), or the patch. Raises UsageError where there is none.
    """
    kind, _, number = part.partition("-")
    try:
        if at == "patch":
            return run.submission or ""
        if at.startswith("message-"):
            return text_of(run.messages[_natural(at.removeprefix("message-"))].get("content"))
        step = run.steps[_natural(at)]
        if kind == "thought":
            return step.thought
        if kind == "command":
            return step.actions[_natural(number)].command
        if kind == "observation":
            return step.observations[_natural(number)]
    except (IndexError, ValueError):
        pass
    raise UsageError(f"the run has no text {at}/{part}")


def _natural(text: str) -> int:
    if not text.isdecimal():
        raise ValueError(text)
    return int(text)
