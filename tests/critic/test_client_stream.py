"""Many calls: bounded, lazy, and slowed where the server asks for it."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing

import pytest

from srft_assets.critic.call import Reply, Request
from srft_assets.critic.client.client import Client
from srft_assets.critic.client.errors import CallError, Kind
from srft_assets.critic.client.stream import ask_all
from tests.critic.calls import Asked, ask_many, endpoint, request, requests
from tests.critic.faults import Fault, failing, rate_limited
from tests.critic.server import Server, serving


def test_every_request_is_asked_once_and_at_most_so_many_at_once() -> None:
    with serving(delay=0.05) as server:
        asked = ask_many(server.base_url, requests(40), Asked(), concurrency=5)
    assert server.busiest == 5
    assert sorted(r.about for r, _ in asked.outcomes) == sorted(r.about for r in requests(40))
    assert all(isinstance(o, Reply) and o.key == r.key for r, o in asked.outcomes)
    assert [reply.key for reply in asked.kept] == [r.key for r, _ in asked.outcomes]
    assert set(server.calls.values()) == {1}


def test_requests_are_taken_as_places_get_free() -> None:
    taken, lead = [], []

    def rendering() -> Iterator[Request]:
        for number in range(60):
            taken.append(number)
            yield request(number)

    async def go(server: Server) -> None:
        client = Client(endpoint(concurrency=4), server.base_url, on_reply=lambda *_: None)
        read = 0
        async with client, aclosing(ask_all(client, rendering(), "default")) as stream:
            async for _ in stream:
                read += 1
                lead.append(len(taken) - read)
                await asyncio.sleep(0.002)

    with serving() as server:
        asyncio.run(go(server))
    assert len(taken) == 60
    assert max(lead) <= 3 * 4, "places under way, answers waiting, and those with an answer in hand"


def test_requests_may_come_from_an_async_source() -> None:
    async def coming() -> AsyncIterator[Request]:
        for number in range(10):
            await asyncio.sleep(0.001)
            yield request(number)

    with serving() as server:
        assert len(ask_many(server.base_url, coming(), Asked()).outcomes) == 10


def test_no_requests_no_calls() -> None:
    with serving() as server:
        assert ask_many(server.base_url, [], Asked()).outcomes == []


def test_a_request_that_fails_leaves_the_others_alone() -> None:
    def rule(body: dict) -> Fault | None:
        return failing(400, "context length") if "Run 3." in str(body) else None

    with serving(server=Server(rule=rule)) as server:
        asked = ask_many(server.base_url, requests(10), Asked())
    failed = [(r.about, o.kind) for r, o in asked.outcomes if isinstance(o, CallError)]
    assert failed == [("run-3", Kind.TOO_LONG)]
    assert len(asked.kept) == 9


def test_a_wrong_key_ends_it_at_once() -> None:
    with serving(server=Server(delay=0.02, rule=lambda body: failing(401))) as server:
        with pytest.raises(CallError, match="api_key_env"):
            ask_many(server.base_url, requests(200), Asked(), concurrency=4)
        assert server.calls.total() <= 8


def test_a_server_that_only_fails_is_not_asked_for_ever() -> None:
    with serving(server=Server(rule=lambda body: failing(500))) as server:
        with pytest.raises(CallError, match="8 calls in a row failed, the last: 2 attempts failed"):
            ask_many(server.base_url, requests(200), Asked(), concurrency=4, attempts=2)
        assert server.calls.total() <= 2 * 16


def test_failures_with_answers_between_them_end_nothing() -> None:
    def rule(body: dict) -> Fault | None:
        return failing(400) if "0. " in str(body) else None

    with serving(server=Server(rule=rule)) as server:
        asked = ask_many(server.base_url, requests(120), Asked(), concurrency=2)
    assert len(asked.outcomes) == 120 and len(asked.kept) == 108


def test_a_429_pauses_the_whole_client() -> None:
    with serving(None, None, rate_limited("0.6"), delay=0.02) as server:
        began = time.monotonic()
        asked = ask_many(server.base_url, requests(30), Asked(), concurrency=4)
        assert len(asked.kept) == 30 and server.calls.total() == 31
        waits = [late - early for early, late in zip(server.times, server.times[1:], strict=False)]
        assert max(waits) > 0.4, "nobody asked meanwhile"
        assert sum(moment - began < 0.5 for moment in server.times) <= 3 + 2 * 4


def test_a_server_that_takes_few_calls_at_once_gets_few() -> None:
    with serving(delay=0.03) as server:
        server.rule = lambda body: failing(429) if server.open > 2 else None
        asked = ask_many(server.base_url, requests(100), Asked(), concurrency=16, attempts=8)
        refused = server.calls.total() - 100
    assert len(asked.kept) == 100
    assert refused < 150, "with 16 at once all the time it would be 600, and most calls given up"
