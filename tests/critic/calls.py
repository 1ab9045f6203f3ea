"""Requests and clients for tests."""

import asyncio
from collections.abc import AsyncIterable, Iterable
from contextlib import aclosing
from typing import Any

from srft_assets.critic.answer.schema import constraint
from srft_assets.critic.call import Reply, Request
from srft_assets.critic.client.budget import Budget
from srft_assets.critic.client.client import Client
from srft_assets.critic.client.stream import Outcome, ask_all
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


class Asked:
    """What came of some requests: replies as the ledger got them, outcomes as they were yielded."""

    def __init__(self) -> None:
        self.kept: list[Reply] = []
        self.outcomes: list[tuple[Request, Outcome]] = []

    def keep(self, request: Request, reply: Reply) -> None:
        """What a ledger would do."""
        self.kept.append(reply)


def endpoint(**settings: Any) -> Endpoint:
    """Eight calls at once, five seconds an attempt, four attempts."""
    return Endpoint(**{"concurrency": 8, "timeout": 5.0, "attempts": 4, **settings})


def ask(base_url: str, asked: Request, *, api_key: str | None = KEY, **settings: Any) -> Reply:
    """One request, as code without an event loop asks it."""

    async def go() -> Reply:
        client = Client(
            endpoint(**settings), base_url, api_key=api_key, on_reply=lambda *_: None, backoff=0.01
        )
        async with client:
            return await client.ask(asked, "default")

    return asyncio.run(go())


def ask_many(
    base_url: str,
    requests: Iterable[Request] | AsyncIterable[Request],
    asked: Asked,
    *,
    budget: Budget | None = None,
    total: int | None = None,
    **settings: Any,
) -> Asked:
    """Many requests; what came stays in `asked` also where this raises."""

    async def go() -> None:
        client = Client(
            endpoint(**settings),
            base_url,
            api_key=KEY,
            on_reply=asked.keep,
            budget=budget,
            backoff=0.01,
        )
        async with client, aclosing(ask_all(client, requests, "default", total)) as stream:
            async for each in stream:
                asked.outcomes.append(each)

    asyncio.run(go())
    return asked
