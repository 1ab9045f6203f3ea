"""What critics cost, and what they may: budgets that hold over runs, processes and hosts.

They are counted from the answers in the database. A process looks there every few seconds and knows
its own calls at once; what others have under way at that moment it does not know.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Protocol

from srft_assets.critic.calls import Reply
from srft_assets.critic.client import LOOK_SECONDS as PAUSE
from srft_assets.critic.client import Budget
from srft_assets.critic.failures import SPENT, BudgetSpentError
from srft_assets.critic.prompt.text import tokens_of
from srft_assets.critic.spec import Endpoint, LlmSpec
from srft_assets.database_read import read_rows
from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.project import component_files
from srft_assets.settings import Price, Settings, settings
from srft_assets.warehouse.stage import Allowance
from srft_assets.yaml_files import parsed, read_yaml

NIGHTLY = "relabel_nightly"
"""The schedule that has a budget of its own for each day."""
AUTOMATION = "automation"
"""The sensor that makes assets of themselves, out of the same budget."""
REST = "the rest waits for the next night"
LOOK_SECONDS = 5.0
MILLION = 1_000_000


PAID = {
    "a": """
SELECT a.critic, a.model, count(*), sum(a.prompt_tokens), sum(a.completion_tokens)
FROM answers AS a
WHERE a.at >= :since AND NOT EXISTS (SELECT 1 FROM job_calls AS c WHERE c.key = a.key)""",
    "j": """
SELECT j.critic, a.model, count(*), sum(a.prompt_tokens), sum(a.completion_tokens)
FROM jobs AS j JOIN job_calls AS c ON c.job = j.id JOIN answers AS a ON a.key = c.key
WHERE j.at >= :since""",
    "k": """
SELECT k.critic, k.model, count(*), sum(c.prompt_tokens), sum(c.completion_tokens)
FROM jobs AS k JOIN job_calls AS c ON c.job = k.id
WHERE k.at >= :since AND k.state <> 'read'
AND NOT EXISTS (SELECT 1 FROM answers AS a WHERE a.key = c.key)""",
}
"""What was paid for, by the table that names the critic: one by one, in batches of a provider, in
those under way."""


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


@dataclass(frozen=True, slots=True)
class Prices:
    """What tokens cost, by critic and model.

    Attributes:
        stated: `prices:` of `srft.yaml`, by model.
        critics: of each critic the model that it asks for, and the price of its own endpoint,
            None where that states none.
    """

    stated: Mapping[str, Price]
    critics: Mapping[str, tuple[str, Price | None]] = field(default_factory=dict)

    def of(self, critic: str, model: str) -> Price | None:
        """The price of a model that answered the critic; one that no name fits costs what the
        critic asked for. None where neither is known."""
        asked, own = self.critics.get(critic, ("", None))
        known = {**self.stated, **({asked: own} if own else {})}
        return price_of(model, known) or price_of(asked, known)


def spent(home: Home, prices: Prices, critic: str | None = None, since: str = "") -> Spent:
    """What answers cost: those of one critic or of all, since a time (ISO 8601, UTC) or ever.

    Calls of a provider's batch cost its share of the price, and count from when they were reserved
    for it; until they are answered, at their estimate. What has no price costs nothing.
    """
    chosen = {"since": since} | ({"critic": critic} if critic is not None else {})
    total = Spent()
    for table, query in PAID.items():
        mine = f" AND {table}.critic = :critic" if critic is not None else ""
        rows = read_rows(home, f"{query}{mine} GROUP BY 1, 2", **chosen)
        for asker, model, calls, *tokens in rows:
            prompt, answer = map(int, tokens)  # PostgreSQL's sums are decimals
            price = prices.of(_text(asker), _text(model)) or Price()
            usd = (prompt * price.input + answer * price.output) / MILLION
            usd *= 1 if table == "a" else price.batch
            total = Spent(total.calls + calls, total.tokens + prompt + answer, total.usd + usd)
    return total


def under_way(home: Home) -> dict[str, int]:
    """Critic → calls in batches of a provider that are not read yet."""
    rows = read_rows(home, f"{PAID['k']} GROUP BY 1, 2", since="")
    calls: Counter[str] = Counter()
    for critic, _, count, *_ in rows:
        calls[critic] += count
    return calls


def price_of(model: str, prices: Mapping[str, Price]) -> Price | None:
    """The price of a model; servers name a dated version: the longest name it begins with."""
    named = [name for name in prices if model.startswith(name)]
    return prices[max(named, key=len)] if named else None


def _text(model: str | bytes) -> str:
    return model if isinstance(model, str) else bytes(model).decode("utf-8", "replace")


class Lasting(Budget):
    """A budget of which others take, too.

    Attributes:
        whose: what is bounded, and by which settings, for messages.
        dearest: USD a token at most, for calls under way.
        then: what goes on once it is spent, and when.
    """

    def __init__(
        self, limits: Limits, whose: str, counted: Callable[[], Spent], dearest: float, then: str
    ) -> None:
        super().__init__(limits.max_calls, limits.max_tokens)
        self.max_usd, self.whose, self.counted = limits.max_usd, whose, counted
        self.dearest, self.then = dearest, then
        self._first = self._last = counted()
        self._own = (0, 0)
        self._looked, self._day = time.monotonic(), today()

    async def reserve(self, tokens: int) -> None:
        """As `Budget.reserve`; gives up only by what the database says when all is settled."""
        while True:
            if time.monotonic() - self._looked > LOOK_SECONDS:
                await asyncio.to_thread(self._look)
            try:
                if self._taken(tokens):
                    return
            except BudgetSpentError:
                if self._own == (self.calls, self.tokens):
                    raise
                await asyncio.to_thread(self._look)
            else:
                await asyncio.sleep(PAUSE)

    def check(self, calls: int, tokens: int) -> None:
        """Raise BudgetSpentError where so many more are too many, by what was paid for so far."""
        used = self.counted()
        more = Spent(calls, tokens, self.dearest * tokens)
        for unit, rest in left(self, used).items():
            if getattr(more, unit) > rest:
                told = f"{self.whose}: others spent meanwhile what these {calls:,} calls would take"
                raise BudgetSpentError(told, self.then)

    def _look(self) -> None:
        with self._lock:
            own = (self.calls, self.tokens)
        day = today()
        last = self.counted()
        with self._lock:
            self._last, self._own, self._looked = last, own, time.monotonic()
            if self._day != day:  # what it asked before is in what was counted, or of that day
                self._day = day
                self._first = Spent(last.calls - own[0], last.tokens - own[1], last.usd)

    def _spent(self, tokens: int) -> str:
        new_calls, new_tokens = self.calls - self._own[0], self.tokens - self._own[1]
        calls = max(self._first.calls + self.calls, self._last.calls + new_calls)
        held = max(self._first.tokens + self.tokens, self._last.tokens + new_tokens)
        # What is not in the database yet costs as if all of it were the dearer kind.
        usd = self._last.usd + self.dearest * (held - self._last.tokens)
        more = self.dearest * (self._open_tokens + tokens)
        calls, held = calls + self._open_calls, held + self._open_tokens
        if self.max_calls is not None and calls >= self.max_calls:
            return f"{self.whose}: {self.max_calls:,} calls {SPENT}"
        if self.max_tokens is not None and held + tokens > self.max_tokens:
            return f"{self.whose}: {held:,} of {self.max_tokens:,} tokens {SPENT}"
        if self.max_usd is not None and usd + more > self.max_usd:
            told = f"{usd:.2f} of {self.max_usd:.2f} USD {SPENT}"
            return f"{self.whose}: {told}, and the next call may cost {more:.2f}"
        return ""


@dataclass(frozen=True, slots=True)
class _Bounded:
    """What `lasting_budgets` looks at: `usd` is the setting of `limits.max_usd`."""

    limits: Limits
    whose: str
    usd: str
    then: str
    counted: Callable[[Home, Prices], Spent]


def lasting_budgets(
    home: Home,
    critic: str,
    spec: LlmSpec,
    started_by: str,
    allowance: Allowance | None = None,
    *,
    in_batches: bool = False,
) -> list[Lasting]:
    """Of the critic's life, of its day where the schedule asks, and of the command that asks; those
    that bound something. `in_batches`: what is asked costs the provider's share for batches.

    Raises SrftError where USD are bounded and the critic's price is not known.
    """
    stated = settings()
    found = [one for one in _all(stated, critic, started_by, allowance) if bounds(one.limits)]
    if not found:
        return []
    prices = prices_of(stated)
    asked = (spec.model, _own_price(spec.endpoint))
    prices = Prices(prices.stated, {**prices.critics, critic: asked})
    price = prices.of(critic, spec.model)
    in_usd = [one.usd for one in found if one.limits.max_usd is not None]
    if in_usd and price is None:
        raise SrftError(
            f"{in_usd[0]}: there is no price for {spec.model}: state it in `prices:` of "
            f"srft.yaml, or as endpoint.usd_per_million_input and _output of the critic "
            f"{critic} (0 where it costs nothing)"
        )
    dearest = max(price.input, price.output) / MILLION if price else 0.0
    dearest *= price.batch if price and in_batches else 1
    return [
        Lasting(one.limits, one.whose, partial(one.counted, home, prices), dearest, one.then)
        for one in found
    ]


def _all(
    stated: Settings, critic: str, started_by: str, allowance: Allowance | None
) -> Iterator[_Bounded]:
    whose = f"the critic {critic} (critic.max_… of srft.yaml)"
    of_life = partial(spent, critic=critic)
    yield _Bounded(stated.critic, whose, "critic.max_usd", "raise it to go on", of_life)
    if started_by in (NIGHTLY, AUTOMATION):
        whose = f"{started_by} today (relabel.max_… of srft.yaml)"
        yield _Bounded(
            stated.relabel,
            whose,
            "relabel.max_usd",
            REST,
            lambda home, prices: spent(home, prices, since=today()),
        )
    if allowance is not None:
        of_command = partial(spent, since=allowance.since)
        yield _Bounded(allowance, allowance.whose, allowance.whose, Budget.then, of_command)


def counted(reply: Reply, prompt_tokens: int) -> Reply:
    """The reply with an estimate of its tokens where the server counted none."""
    if reply.prompt_tokens or reply.completion_tokens:
        return reply
    answer = tokens_of(len((reply.content or "").encode()))
    return replace(reply, prompt_tokens=prompt_tokens, completion_tokens=answer)


def prices_of(stated: Settings) -> Prices:
    """Those of `srft.yaml`, and what the files of all critics state as their own."""
    critics: dict[str, tuple[str, Price | None]] = {}
    for path in component_files():
        for document in read_yaml(path):
            values = document.get("attributes") if isinstance(document, dict) else None
            if isinstance(values, dict) and values.get("kind") == "llm":
                spec = parsed(path, LlmSpec, values, ("attributes",))
                asked = spec.model or stated.critic.model
                critics[path.parent.name] = (asked, _own_price(spec.endpoint))
    return Prices(stated.prices, critics)


def _own_price(endpoint: Endpoint) -> Price | None:
    if not endpoint.model_fields_set & {"usd_per_million_input", "usd_per_million_output"}:
        return None
    return Price(
        input=endpoint.usd_per_million_input,
        output=endpoint.usd_per_million_output,
        batch=endpoint.batch_share,
    )


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
    return left(stated.critic, spent(home, prices_of(stated), critic))


def left(limits: Limits, used: Spent) -> dict[str, float]:
    """What is left of each bound, by unit; none where nothing is bounded."""
    pairs = {
        "calls": (limits.max_calls, used.calls),
        "tokens": (limits.max_tokens, used.tokens),
        "usd": (limits.max_usd, used.usd),
    }
    return {unit: max(most - taken, 0) for unit, (most, taken) in pairs.items() if most is not None}


def in_words(units: Mapping[str, float]) -> str:
    """`9 calls, 0.25 usd`."""
    return ", ".join(f"{rest:,.2f} {unit}".replace(".00", "") for unit, rest in units.items())
