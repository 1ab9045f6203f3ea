"""The runs of a batch and what is asked about them: what the ledger answers is taken from there."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

import polars as pl

from srft_assets.critic.answer import BadAnswer, again, parse
from srft_assets.critic.calls import Reply, Request
from srft_assets.critic.prompt.requests import TooLongError, requests_for
from srft_assets.critic.prompt.run_view import Seen
from srft_assets.critic.prompt.template import Prompt
from srft_assets.critic.spec import LlmSpec
from srft_assets.critic.verdict import Label, Verdict
from srft_assets.home import Home
from srft_assets.outcomes.status import FAILED, crashed_runs
from srft_assets.outcomes.task import gold_patches
from srft_assets.trajectories.model import Trajectory, from_row

if TYPE_CHECKING:
    from srft_assets.critic.ledger import Ledger

AT_ONCE = 16
"""Runs that are in memory together, beside those that are asked about."""
TRIES = 2
"""A bad answer is asked again once, with the error stated."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A run to judge. `lacking` says why it cannot be: its steps stay unlabeled."""

    run: Trajectory
    seen: Seen
    lacking: str = ""


def judged_outcomes(spec: LlmSpec, outcomes: pl.DataFrame) -> pl.DataFrame:
    """Outcomes of the runs to judge; one that a server or a machine ended is none."""
    if spec.judge == "all":
        return outcomes.filter(~pl.col("trajectory_id").is_in(crashed_runs(outcomes)))
    return outcomes.filter(pl.col("status").is_in([str(one) for one in FAILED]))


def judged_runs(
    spec: LlmSpec, home: Home, batch: str, runs: pl.DataFrame, outcomes: pl.DataFrame
) -> Iterator[Judged]:
    """The runs of these outcomes, in the batch's order, a few in memory at once."""
    graded = {row["trajectory_id"]: row for row in outcomes.iter_rows(named=True)}
    patches = gold_patches(home, batch) if spec.sees.gold_patch else {}
    for part in runs.filter(pl.col("trajectory_id").is_in(list(graded))).iter_slices(AT_ONCE):
        for row in part.iter_rows(named=True):
            run = from_row(row)
            patch = patches.get(run.instance_id)
            lacking = ""
            if spec.sees.gold_patch and patch is None:
                lacking = f"no reference patch of {run.instance_id}: put its task into tasks/"
            yield Judged(run, _seen(spec, graded[run.trajectory_id], patch), lacking)


def _seen(spec: LlmSpec, outcome: dict[str, Any], patch: str | None) -> Seen:
    """What the switches allow, and nothing else: the rest cannot change a request."""
    counts = [
        f"{outcome[f'{short}_passed'] or 0} of {outcome[f'{short}_total']} {name} tests passed"
        for short, name in (("f2p", "FAIL_TO_PASS"), ("p2p", "PASS_TO_PASS"))
        if outcome[f"{short}_total"]
    ]
    told = outcome["status"] + (f" ({', '.join(counts)})" if counts else "")
    return Seen(
        outcome=told if spec.sees.outcome else None,
        failed_tests=tuple(outcome["failed_tests"] or ()) if spec.sees.failed_tests else None,
        gold_patch=patch if spec.sees.gold_patch else None,
    )


@dataclass(slots=True)
class Exchange:
    """One request, or a second one after a bad answer.

    Attributes:
        place: of the run among those judged.
        spec: of the critic.
        request: what is to be asked next.
        tokens: of the prompt, estimated.
        verdicts: one a step of the request, once it is over.
        bad: kinds of the bad answers so far.
        refused: why the endpoint will never answer the request.
    """

    place: int
    spec: LlmSpec
    request: Request
    tokens: int = 0
    verdicts: list[Verdict] | None = None
    bad: list[str] = field(default_factory=list)
    refused: str = ""

    def take(self, reply: Reply) -> None:
        """Use the answer to `request`; `verdicts` or another `request` follows."""
        answer = parse(reply, self.request, self.spec)
        if not isinstance(answer, BadAnswer):
            self.verdicts = answer
            return
        self.bad.append(answer.kind)
        if len(self.bad) < TRIES:
            self.request = again(self.request, reply, answer)
        else:
            steps = self.request.steps
            self.verdicts = unlabeled(steps, answer.reason, reply.model, reply.key)

    def refuse(self, reason: str) -> None:
        self.refused = reason
        self.verdicts = unlabeled(self.request.steps, reason)


def unlabeled(steps: range, reason: str, rule: str = "", call: str = "") -> list[Verdict]:
    """A verdict that says nothing, for each step."""
    return [Verdict(step, Label.UNLABELED, reason, rule, call) for step in steps]


@dataclass(slots=True)
class Ruled:
    """A run and what was said of it so far.

    Attributes:
        left: exchanges that are not over.
        cut: step → tokens of it that the critic is not shown; None → of the task.
    """

    trajectory_id: str
    left: int = 0
    cut: Counter[int | None] = field(default_factory=Counter)
    verdicts: list[Verdict] = field(default_factory=list)


@dataclass
class Batch:
    """One pass over the runs of a batch.

    Attributes:
        runs: those judged, in order; `done` of them are over.
        refused: trajectory_id → why its steps stay unlabeled.
        paid: calls that batches of a provider answered before.
        answered: calls that the ledger answered, those among them.
        bad: bad answers by kind.
    """

    spec: LlmSpec
    prompt: Prompt
    ledger: "Ledger"
    paid: int = 0
    runs: list[Ruled] = field(default_factory=list)
    done: int = 0
    refused: dict[str, str] = field(default_factory=dict)
    answered: int = 0
    bad: Counter[str] = field(default_factory=Counter)

    def open(self, judged: Iterable[Judged]) -> Iterator[Exchange]:
        """Yield the exchanges that need the model; all others are over by then."""
        source = iter(judged)
        while some := list(islice(source, AT_ONCE)):
            exchanges = [exchange for one in some for exchange in self._exchanges(one)]
            self._look_up(exchanges)
            yield from (exchange for exchange in exchanges if exchange.verdicts is None)

    def close(self, exchange: Exchange) -> None:
        self.bad.update(exchange.bad)
        run = self.runs[exchange.place]
        run.verdicts += exchange.verdicts or []
        run.left -= 1
        self.done += run.left == 0
        if exchange.refused:
            self.refused[run.trajectory_id] = exchange.refused

    def _look_up(self, pending: list[Exchange]) -> None:
        """Go as far with each as the ledger leads: to its verdicts, or to a second request."""
        while pending:
            found = self.ledger.find([exchange.request.key for exchange in pending])
            told = [exchange for exchange in pending if exchange.request.key in found]
            self.answered += len(told)
            for exchange in told:
                exchange.take(found[exchange.request.key])
                if exchange.verdicts is not None:
                    self.close(exchange)
            pending = [exchange for exchange in told if exchange.verdicts is None]

    def _exchanges(self, judged: Judged) -> Iterator[Exchange]:
        run, reason = judged.run, judged.lacking
        place, ruled = len(self.runs), Ruled(run.trajectory_id)
        self.runs.append(ruled)
        if not reason:
            try:
                asked = requests_for(self.spec, self.prompt, run, judged.seen)
            except TooLongError as error:
                reason = str(error)
        if reason:
            self.refused[run.trajectory_id] = reason
            self.done += 1
            ruled.verdicts = unlabeled(range(len(run.steps)), reason)
            return
        ruled.left = len(asked.requests)
        self.done += ruled.left == 0
        for cut in asked.cuts:
            ruled.cut[cut.step_index] += cut.tokens_before - cut.tokens_after
        for request in asked.requests:
            yield Exchange(place, self.spec, request, asked.prompt_tokens // ruled.left)
