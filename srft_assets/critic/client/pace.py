"""Figures of many calls, for the progress bar and the metadata of a partition."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from srft_assets.critic.call import Reply
from srft_assets.critic.spec import Endpoint


@dataclass
class Pace:
    """Counts what comes. Everything here is cheap enough to be told after each answer.

    Attributes:
        endpoint: its prices.
        total: calls there are, those that the ledger answers among them.
        answered: calls that the server answered, and so were paid for.
        from_ledger: calls that the ledger answered.
        failed: calls without an answer.
    """

    endpoint: Endpoint
    total: int
    clock: Callable[[], float] = time.monotonic
    answered: int = 0
    from_ledger: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    retries: int = 0
    began: float = field(init=False)

    def __post_init__(self) -> None:
        self.began = self.clock()

    def paid(self, reply: Reply) -> None:
        """The server answered."""
        self.answered += 1
        self.prompt_tokens += reply.prompt_tokens
        self.completion_tokens += reply.completion_tokens
        self.cached_tokens += reply.cached_tokens
        self.retries += reply.retries

    def kept(self, calls: int = 1) -> None:
        """The ledger answered."""
        self.from_ledger += calls

    def lost(self) -> None:
        """Nobody answered."""
        self.failed += 1

    @property
    def done(self) -> int:
        """Calls that are over."""
        return self.answered + self.from_ledger + self.failed

    @property
    def usd(self) -> float:
        """What the answered calls cost at the endpoint's prices, without discounts."""
        return (
            self.prompt_tokens * self.endpoint.usd_per_million_input
            + self.completion_tokens * self.endpoint.usd_per_million_output
        ) / 1_000_000

    @property
    def tokens_per_second(self) -> float:
        """Tokens read and written since the start."""
        seconds = self.clock() - self.began
        return (self.prompt_tokens + self.completion_tokens) / seconds if seconds > 0 else 0.0

    @property
    def eta(self) -> timedelta | None:
        """Until all are done, if every further one is a call; None before the first answer."""
        over = self.answered + self.failed
        if not self.answered:
            return None
        seconds = (self.clock() - self.began) / over * (self.total - self.done)
        return timedelta(seconds=round(max(0.0, seconds)))

    @property
    def note(self) -> str:
        """One line for `Progress.report`: `12 from the ledger, 812 tokens/s, …`."""
        parts = [f"{self.from_ledger} from the ledger"] if self.from_ledger else []
        if self.answered:
            parts.append(f"{self.tokens_per_second:,.0f} tokens/s")
        if self.cached_tokens:
            parts.append(f"{self.cached_tokens / self.prompt_tokens:.0%} of the prompt cached")
        if self.usd:
            parts.append(f"${self.usd:,.2f}")
        if self.failed:
            parts.append(f"{self.failed} failed")
        if self.eta:
            parts.append(f"{self.eta} left")
        return ", ".join(parts)

    def metadata(self) -> dict[str, Any]:
        """The same for the Dagster page."""
        return {
            "calls_answered": self.answered,
            "calls_from_ledger": self.from_ledger,
            "calls_failed": self.failed,
            "retries": self.retries,
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "cached_tokens": self.cached_tokens,
            "usd": round(self.usd, 4),
        }
