"""Requests and clients for tests."""

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from srft_assets.critic.answer import constraint
from srft_assets.critic.asking import Asking
from srft_assets.critic.budget import Budget
from srft_assets.critic.calls import Reply, Request
from srft_assets.critic.client import Client
from srft_assets.critic.exchanges import Exchange
from srft_assets.critic.ledger import Ledger
from srft_assets.critic.spec import Endpoint, LlmSpec

KEY = "sk-test-0123456789abcdef"
SPEC = LlmSpec(kind="llm", model="critic-1")


def request(number: int = 0, steps: int = 3, text: str = "", **more: Any) -> Request:
    """A request to label so many steps."""
    messages = [
        {"role": "system", "content": "Label every step."},
        {"role": "user", "content": f"Run {number}. {text}"},
    ]
    wanted = constraint(range(steps), SPEC)
    body = {"model": SPEC.model, "messages": messages, "temperature": 0.0, **wanted, **more}
    return Request(body, range(steps), about=f"run-{number}")


def requests(count: int) -> list[Request]:
    """So many, all different."""
    return [request(number) for number in range(count)]


def exchanges(asked: Iterable[Request]) -> Iterator[Exchange]:
    """The same, as they are brought to their end."""
    return (Exchange(0, SPEC, each) for each in asked)


@dataclass
class Asked:
    """What came of some requests: exchanges as they ended, and the ledger that kept the replies."""

    ledger: Ledger
    over: list[Exchange] = field(default_factory=list)
    asking: Asking | None = None

    @property
    def kept(self) -> list[Reply]:
        """All replies in the ledger."""
        return [reply for reply, _ in self.ledger.everything()]


def endpoint(**settings: Any) -> Endpoint:
    """Eight calls at once, five seconds an attempt, four attempts."""
    return Endpoint(**{"concurrency": 8, "timeout": 5.0, "attempts": 4, **settings})


def ask(base_url: str, asked: Request, *, api_key: str | None = KEY, **settings: Any) -> Reply:
    """One request, as code without an event loop asks it."""

    async def go() -> Reply:
        client = Client(endpoint(**settings), base_url, api_key=api_key, backoff=0.01)
        async with client:
            return await client.ask(asked)

    return asyncio.run(go())


async def asking_many(
    base_url: str,
    requests: Iterable[Request],
    asked: Asked,
    *,
    budget: Budget | None = None,
    **settings: Any,
) -> None:
    """Bring many requests to their end."""
    client = Client(endpoint(**settings), base_url, api_key=KEY, budget=budget, backoff=0.01)
    async with client:
        asked.asking = Asking(asked.ledger, client, asked.over.append, "default", "batch")
        await asked.asking.run(exchanges(requests))


def ask_many(base_url: str, requests: Iterable[Request], asked: Asked, **settings: Any) -> Asked:
    """The same without an event loop; what came stays in `asked` also where this raises."""
    asyncio.run(asking_many(base_url, requests, asked, **settings))
    return asked
