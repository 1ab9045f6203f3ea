"""What critics cost, and what they may: budgets that hold over runs, processes and hosts.

They are counted from the answers in the database. A process looks there every few seconds and knows
its own calls at once; what others have under way at that moment it does not know.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from srft_assets.critic.client import Budget
from srft_assets.critic.spec import LlmSpec
from srft_assets.database_read import read_rows
from srft_assets.home import Home
from srft_assets.settings import Price, Settings, settings

NIGHTLY = "relabel_nightly"
"""The schedule that has a budget of its own for each day."""
SPENT = "are spent"
"""Words of every reason that a budget gives."""
LOOK_SECONDS = 5.0
MILLION = 1_000_000


class Limits(Protocol):
    """A section of `srft.yaml` that bounds what is paid for; None bounds nothing."""

    @property
    def max_calls(self) -> int | None: ...
    @property
    def max_tokens(self) -> int | None: ...
    @property
    def max_usd(self) -> float | None: ...


@dataclass(frozen=True, slots=True)
class Spent:
    """Answered calls, their tokens (prompt and answer), and USD at the stated prices."""

    calls: int = 0
    tokens: int = 0
    usd: float = 0.0


def spent(
    home: Home, prices: Mapping[str, Price], critic: str | None = None, since: str = ""
) -> Spent:
    """What answers cost: those of one critic or of all, since a time (ISO 8601, UTC) or ever."""
    mine = "AND critic = :critic " if critic is not None else ""
    rows = read_rows(
        home,
        "SELECT model, count(*), sum(prompt_tokens), sum(completion_tokens) FROM answers "
        f"WHERE at >= :since {mine}GROUP BY model",
        since=since,
        **({"critic": critic} if critic is not None else {}),
    )
    total = Spent()
    for model, calls, prompt, answer in rows:
        price = price_of(_text(model), prices)
        usd = (prompt * price.input + answer * price.output) / MILLION
        total = Spent(total.calls + calls, total.tokens + prompt + answer, total.usd + usd)
    return total


def price_of(model: str, prices: Mapping[str, Price]) -> Price:
    """The price of a model; servers name a dated version: the longest name it begins with."""
    named = [name for name in prices if model.startswith(name)]
    return prices[max(named, key=len)] if named else Price()


def _text(model: str | bytes) -> str:
    return model if isinstance(model, str) else bytes(model).decode("utf-8", "replace")


class Lasting(Budget):
    """A budget of which others take, too.

    Attributes:
        whose: what is bounded, and by which settings, for messages.
        dearest: USD a token at most, for calls under way.
    """

    def __init__(
        self, limits: Limits, whose: str, counted: Callable[[], Spent], dearest: float
    ) -> None:
        super().__init__(limits.max_calls, limits.max_tokens)
        self.max_usd, self.whose, self.counted, self.dearest = (
            limits.max_usd,
            whose,
            counted,
            dearest,
        )
        self._first = self._last = counted()
        self._own = (0, 0)
        self._looked = time.monotonic()

    def _spent(self, tokens: int) -> str:
        if time.monotonic() - self._looked > LOOK_SECONDS:
            self._last, self._own = self.counted(), (self.calls, self.tokens)
            self._looked = time.monotonic()
        new_calls, new_tokens = self.calls - self._own[0], self.tokens - self._own[1]
        calls = max(self._first.calls + self.calls, self._last.calls + new_calls)
        held = max(self._first.tokens + self.tokens, self._last.tokens + new_tokens)
        usd = self._last.usd + self.dearest * (new_tokens + self._open_tokens + tokens)
        calls, held = calls + self._open_calls, held + self._open_tokens
        if self.max_calls is not None and calls >= self.max_calls:
            return f"{self.whose}: {self.max_calls:,} calls {SPENT}"
        if self.max_tokens is not None and held + tokens > self.max_tokens:
            return f"{self.whose}: {held:,} of {self.max_tokens:,} tokens {SPENT}"
        if self.max_usd is not None and usd > self.max_usd:
            return f"{self.whose}: {self._last.usd:.2f} of {self.max_usd:.2f} USD {SPENT}"
        return ""


def lasting_budgets(home: Home, critic: str, spec: LlmSpec, started_by: str) -> list[Budget]:
    """Of the critic's life and, where the schedule asks, of its day; those that bound something."""
    stated = settings()
    prices = prices_of(stated, spec)
    price = price_of(spec.model, prices)
    dearest = max(price.input, price.output) / MILLION
    found: list[Budget] = []
    if bounds(stated.critic):
        whose = f"the critic {critic} (critic.max_… of srft.yaml)"
        found.append(Lasting(stated.critic, whose, lambda: spent(home, prices, critic), dearest))
    if started_by == NIGHTLY and bounds(stated.relabel):
        whose = f"{NIGHTLY} today (relabel.max_… of srft.yaml); the rest waits for the next night"
        found.append(
            Lasting(stated.relabel, whose, lambda: spent(home, prices, since=today()), dearest)
        )
    return found


def prices_of(stated: Settings, spec: LlmSpec) -> dict[str, Price]:
    """Those of `srft.yaml`, and the critic's own where it names any."""
    own = Price(
        input=spec.endpoint.usd_per_million_input, output=spec.endpoint.usd_per_million_output
    )
    return {**stated.prices, **({spec.model: own} if own.input or own.output else {})}


def bounds(limits: Limits) -> bool:
    """Whether anything is bounded."""
    return (limits.max_calls, limits.max_tokens, limits.max_usd) != (None, None, None)


def today() -> str:
    """The day in UTC, as the times of answers begin."""
    return f"{datetime.now(UTC):%Y-%m-%d}"


def left_of_life(home: Home, critic: str, stated: Settings) -> dict[str, float]:
    """What a critic may still pay for in its life, by unit; none where nothing is bounded."""
    if not bounds(stated.critic):
        return {}
    return left(stated.critic, spent(home, stated.prices, critic))


def left(limits: Limits, used: Spent) -> dict[str, float]:
    """What is left of each bound, by unit; none where nothing is bounded."""
    pairs = {
        "calls": (limits.max_calls, used.calls),
        "tokens": (limits.max_tokens, used.tokens),
        "usd": (limits.max_usd, used.usd),
    }
    return {unit: max(most - taken, 0) for unit, (most, taken) in pairs.items() if most is not None}
