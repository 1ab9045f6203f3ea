"""The queue for annotators: which steps, what is shown of each, and the file it becomes."""

import csv
import io
import re
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from random import Random
from typing import Any, Literal, NamedTuple, TypeVar

import orjson
import polars as pl

from srft_assets.critic.prompt.run_view import task_of
from srft_assets.critic.prompt.text import estimate, readable, show
from srft_assets.errors import UsageError
from srft_assets.trajectories.model import Step, Trajectory, from_row
from srft_assets.warehouse.partitions import Warehouse
from srft_assets.warehouse.sql import holders

S = TypeVar("S", bound=Hashable)
T = TypeVar("T")

TEXT_TOKENS = 1_300
"""Longest text shown, about 4,000 characters; of a longer one the middle is left out."""
LINE_CHARS = 200
HEAD_CHARS = 10_000
FORMULA = re.compile(r"'*[=+\-@\t\r]")
"""A cell that a spreadsheet would read as a formula, or that looks like one made harmless."""


class Candidate(NamedTuple):
    """A step, with the label and the reason of the critic, if one was asked for."""

    batch: str
    trajectory_id: str
    step_index: int
    label: str
    reason: str
    differs: bool = False
    """Whether the other critic labels it otherwise."""


def chosen_steps(
    warehouse: Warehouse,
    batches: Sequence[str],
    critic: str | None = None,
    size: int = 200,
    floor: int = 5,
    seed: int = 0,
    other: str | None = None,
) -> list[Candidate]:
    """The steps to ask people about, in order of run and step.

    Strata: critic's label × outcome of the run × third of the run that the step lies in; without a
    critic the last two alone. Every stratum gives `floor` of the `size` steps before the rest is
    shared in proportion. With an `other` critic, steps that both label otherwise are strata of
    their own, and come first. Raises UsageError where no step is there.
    """
    holder = holders(warehouse, batches)
    steps = [
        (stratum, step)
        for batch in batches
        for stratum, step in _candidates(warehouse, batch, critic, other)
        if holder[step.trajectory_id] == batch
    ]
    if not steps:
        what = f"steps judged by critic {critic}" if critic else "steps"
        raise UsageError(f"no {what} in {', '.join(batches) or 'any batch'}")
    chosen = stratified(sorted(steps), size, floor, seed)
    return sorted(chosen, key=lambda one: (not one.differs, one.trajectory_id, one.step_index))


def _given(warehouse: Warehouse, batch: str, critic: str | None) -> dict[tuple[str, int], Any]:
    if critic is None or warehouse.stamp(f"step_verdicts/{critic}", batch) is None:
        return {}
    columns = ["trajectory_id", "step_index", "label", "reason"]
    verdicts = warehouse.read(f"step_verdicts/{critic}", batch, columns=columns)
    return {(run, step): (label, reason) for run, step, label, reason in verdicts.iter_rows()}


def _candidates(
    warehouse: Warehouse, batch: str, critic: str | None, other: str | None
) -> Iterator[tuple[tuple[Any, ...], Candidate]]:
    """The steps of a batch that may be asked about, each with its stratum."""
    given = _given(warehouse, batch, critic)
    others = _given(warehouse, batch, other)
    runs = warehouse.read("trajectories", batch, columns=["trajectory_id", "n_steps"])
    statuses = _statuses(warehouse, batch)
    for run, count in runs.iter_rows():
        for index in range(count):
            if critic is None or (run, index) in given:
                label, reason = given.get((run, index), ("", ""))
                said = others.get((run, index))
                differs = said is not None and said[0] != label
                stratum = (label, statuses.get(run, "unknown"), 3 * index // count)
                step = Candidate(batch, run, index, label, reason, differs)
                yield (*stratum, *([differs] if other else [])), step


def _statuses(warehouse: Warehouse, batch: str) -> dict[str, str]:
    if warehouse.stamp("test_outcomes", batch) is None:
        return {}
    frame = warehouse.read("test_outcomes", batch, columns=["trajectory_id", "status"])
    return dict(frame.iter_rows())


def stratified(items: Iterable[tuple[S, T]], size: int, floor: int, seed: int) -> list[T]:
    """`size` of the items, each at most once; an item comes with its stratum.

    The order of the items decides nothing but the order of equals: sort them beforehand.
    """
    strata: dict[S, list[T]] = defaultdict(list)
    for stratum, item in items:
        strata[stratum].append(item)
    order = sorted(strata, key=str)
    Random(seed).shuffle(order)
    counts = allocate({stratum: len(strata[stratum]) for stratum in order}, size, floor)
    return [
        item
        for stratum in order
        for item in Random(f"{seed}/{stratum}").sample(strata[stratum], counts[stratum])
    ]


def allocate(sizes: Mapping[S, int], total: int, floor: int) -> dict[S, int]:
    """How many to take from each stratum, together `total` or all there are.

    Every stratum gives `floor` first (all it has where it has fewer; less than `floor` where
    `total` does not go round), and the rest is shared in proportion to what is left, by largest
    remainders; among equals, strata that stand first in `sizes` get more.
    """
    total = min(total, sum(sizes.values()))
    floor = min(floor, total // max(1, len(sizes)))
    taken = {stratum: min(size, floor) for stratum, size in sizes.items()}
    rest = total - sum(taken.values())
    left = sum(sizes.values()) - sum(taken.values())
    if rest == 0:
        return taken
    shares = {stratum: rest * (sizes[stratum] - taken[stratum]) / left for stratum in sizes}
    for stratum, share in shares.items():
        taken[stratum] += int(share)
    by_remainder = sorted(shares, key=lambda stratum: -(shares[stratum] % 1))
    rest = total - sum(taken.values())
    for stratum in [one for one in by_remainder if taken[one] < sizes[one]][:rest]:
        taken[stratum] += 1
    return taken


def queue(
    warehouse: Warehouse, chosen: Sequence[Candidate], show_verdict: bool = False
) -> list[dict[str, Any]]:
    """Rows for annotators, in the order of the steps.

    `show_verdict`: whether annotators see the critic's label and reason, which sways them.
    """
    rows: dict[Candidate, dict[str, Any]] = {}
    for batch in {step.batch for step in chosen}:
        asked = [step for step in chosen if step.batch == batch]
        frame = warehouse.read("trajectories", batch)
        frame = frame.filter(pl.col("trajectory_id").is_in([one.trajectory_id for one in asked]))
        runs = {row["trajectory_id"]: from_row(row) for row in frame.iter_rows(named=True)}
        statuses = _statuses(warehouse, batch)
        for step in asked:
            run = runs[step.trajectory_id]
            row = _shown(run, step.step_index, statuses.get(run.trajectory_id, "unknown"))
            given = {"verdict": step.label, "verdict_reason": step.reason} if show_verdict else {}
            rows[step] = row | given
    return [rows[step] for step in chosen]


def _shown(run: Trajectory, index: int, outcome: str) -> dict[str, Any]:
    """One row: text and numbers, so that any tool can show it; what is foreign is readable."""
    step = run.steps[index]
    return {
        "id": f"{run.trajectory_id}:{index}",
        "trajectory_id": run.trajectory_id,
        "step_index": index,
        "n_steps": len(run.steps),
        "instance_id": run.instance_id,
        "outcome": outcome,
        "task": _cut(task_of(run)),
        "previous": _summary(run.steps[index - 1]) if index else "",
        "thought": _cut(step.thought),
        "action": _cut(_actions(step)),
        "observation": _cut("\n".join(step.observations)),
        "label": None,
        "note": None,
    }


def _actions(step: Step) -> str:
    return "\n".join(f"{action.tool}: {action.command}" for action in step.actions)


def _summary(step: Step) -> str:
    """One line each for what the step did and what came of it."""
    said = _first_line(_actions(step) or step.thought)
    seen = _first_line("\n".join(step.observations))
    return f"step {step.step_index}: {said}\n→ {seen or 'no output'}"


def _first_line(text: str) -> str:
    line = next(iter(text[:HEAD_CHARS].strip().splitlines()), "")
    return readable(line if len(line) <= LINE_CHARS else f"{line[: LINE_CHARS - 1]}…")


def _cut(text: str) -> str:
    return show(text, TEXT_TOKENS, estimate, "").text


QueueFormat = Literal["jsonl", "csv", "label-studio"]
"""`jsonl` goes into Argilla, `label-studio` and `csv` into Label Studio."""


def write_queue(rows: Sequence[dict[str, Any]], how: QueueFormat) -> bytes:
    if how == "jsonl":
        return b"".join(orjson.dumps(row) + b"\n" for row in rows)
    if how == "label-studio":
        answers = ("label", "note")
        tasks = [{"data": {k: v for k, v in row.items() if k not in answers}} for row in rows]
        return orjson.dumps(tasks, option=orjson.OPT_INDENT_2) + b"\n"
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]) if rows else [])
    writer.writeheader()
    writer.writerows({name: harmless(value) for name, value in row.items()} for row in rows)
    return text.getvalue().encode()


def harmless(value: object) -> object:
    """A cell that no spreadsheet computes: formulas get an apostrophe, `bare` takes it off."""
    return f"'{value}" if isinstance(value, str) and FORMULA.match(value) else value


def bare(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and FORMULA.match(cell) else cell
