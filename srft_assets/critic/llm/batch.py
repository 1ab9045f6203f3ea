"""The exchanges about one batch: those that the ledger ends, and those that cost a call."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from srft_assets.critic.ledger.ledger import Ledger
from srft_assets.critic.llm.exchange import Exchange, unlabeled
from srft_assets.critic.llm.judged import AT_ONCE, Judged
from srft_assets.critic.prompt.parts import requests_for
from srft_assets.critic.prompt.reading import TooLongError
from srft_assets.critic.prompt.template import Prompt
from srft_assets.critic.spec import LlmSpec
from srft_assets.critic.verdict import Verdict


@dataclass(slots=True)
class Ruled:
    """A run and what was said of it so far.

    Attributes:
        left: exchanges under way.
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
        requests: first requests about them.
        refused: trajectory_id → why its steps stay unlabeled.
        answered: calls that the ledger answered.
        to_pay: calls that it did not, with the steps they label and the estimated tokens of
            their prompts.
        bad: bad answers by kind.
    """

    spec: LlmSpec
    prompt: Prompt
    ledger: Ledger
    runs: list[Ruled] = field(default_factory=list)
    done: int = 0
    requests: int = 0
    refused: dict[str, str] = field(default_factory=dict)
    answered: int = 0
    to_pay: int = 0
    steps_to_pay: int = 0
    tokens_to_pay: int = 0
    bad: Counter[str] = field(default_factory=Counter)

    def open(self, judged: Iterable[Judged]) -> Iterator[Exchange]:
        """Yield the exchanges that need the model; all others are over by then."""
        source = iter(judged)
        while some := list(islice(source, AT_ONCE)):
            exchanges = [exchange for one in some for exchange in self._exchanges(one)]
            self._look_up(exchanges)
            for exchange in exchanges:
                if exchange.verdicts is None:
                    self.to_pay += 1
                    self.steps_to_pay += len(exchange.request.steps)
                    self.tokens_to_pay += exchange.tokens
                    yield exchange

    def _look_up(self, exchanges: list[Exchange]) -> None:
        """Go as far with each as the ledger leads."""
        pending = exchanges
        while pending:
            keyed = [(exchange.request.key, exchange) for exchange in pending]
            found = self.ledger.find([key for key, _ in keyed])
            told = [(key, exchange) for key, exchange in keyed if key in found]
            self.answered += len(told)
            for key, exchange in told:
                exchange.take(found[key])
                self.close(exchange)
            pending = [exchange for _, exchange in told if exchange.verdicts is None]

    def close(self, exchange: Exchange) -> None:
        """Take the verdicts of an exchange, if it is over."""
        if exchange.verdicts is None:
            return
        self.bad.update(exchange.bad)
        run = self.runs[exchange.place]
        run.verdicts += exchange.verdicts
        run.left -= 1
        self.done += run.left == 0

    def _exchanges(self, judged: Judged) -> Iterator[Exchange]:
        place = len(self.runs)
        ruled = Ruled(judged.run.trajectory_id)
        self.runs.append(ruled)
        if judged.lacking:
            self._refuse(judged, judged.lacking)
            return
        try:
            asked = requests_for(self.spec, self.prompt, judged.run, judged.seen)
        except TooLongError as error:
            self._refuse(judged, error.reason)
            return
        ruled.left = len(asked.requests)
        self.requests += ruled.left
        self.done += ruled.left == 0
        for cut in asked.cuts:
            ruled.cut[cut.step_index] += cut.tokens_before - cut.tokens_after
        for request in asked.requests:
            yield Exchange(place, self.spec, request, asked.prompt_tokens // ruled.left)

    def _refuse(self, judged: Judged, reason: str) -> None:
        run = judged.run
        self.refused[run.trajectory_id] = reason
        self.done += 1
        self.runs[-1].verdicts = unlabeled(range(len(run.steps)), reason)
