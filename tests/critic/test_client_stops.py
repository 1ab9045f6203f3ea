"""Many calls that end early: by leaving, by cancelling, by a budget, by a failing source."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager

import pytest

from srft_assets.critic.call import Reply, Request
from srft_assets.critic.client.budget import Budget, budget_of, estimate
from srft_assets.critic.client.client import Client
from srft_assets.critic.client.errors import BudgetSpentError
from srft_assets.critic.client.stream import Outcome, ask_all
from tests.critic.calls import Asked, ask_many, endpoint, request, requests
from tests.critic.faults import failing
from tests.critic.server import Server, serving


@asynccontextmanager
async def answers(
    server: Server, asked: Asked
) -> AsyncIterator[AsyncIterator[tuple[Request, Outcome]]]:
    """What comes of fifty requests, four at once; `asked` keeps the replies."""
    client = Client(endpoint(concurrency=4), server.base_url, on_reply=asked.keep)
    async with client, aclosing(ask_all(client, requests(50), "default")) as stream:
        yield stream


def test_an_error_of_the_ledger_ends_everything() -> None:
    class Full(Asked):
        def keep(self, request: Request, reply: Reply) -> None:
            raise OSError(28, "No space left on device")

    with serving(delay=0.05) as server:
        with pytest.raises(OSError, match="No space left"):
            ask_many(server.base_url, requests(100), Full(), concurrency=4)
        assert server.calls.total() <= 8


def test_leaving_early_cancels_calls_under_way_and_keeps_answers() -> None:
    asked = Asked()

    async def go(server: Server) -> None:
        async with answers(server, asked) as stream:
            async for _ in stream:
                server.delay = 60
                if len(asked.kept) >= 4:
                    break
        assert len(asyncio.all_tasks()) == 1, "no task is left behind"

    with serving(delay=0.05) as server:
        began = time.monotonic()
        asyncio.run(go(server))
        assert time.monotonic() - began < 3
        assert server.answered.total() == len(asked.kept)


def test_answers_that_came_while_the_process_was_busy_are_kept() -> None:
    asked = Asked()

    async def go(server: Server) -> None:
        async with answers(server, asked) as stream:
            async for _ in stream:
                await asyncio.sleep(0.05)
                time.sleep(0.5)
                break

    with serving(delay=0.2) as server:
        asyncio.run(go(server))
        assert len(asked.kept) == server.answered.total() > 4


def test_cancelling_from_outside_ends_the_calls_and_keeps_the_answers() -> None:
    asked = Asked()

    async def go(server: Server) -> None:
        async with answers(server, asked) as stream:
            async for _ in stream:
                server.delay = 60

    async def cancelled(server: Server) -> None:
        task = asyncio.create_task(go(server))
        await asyncio.sleep(0.5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with serving(delay=0.05) as server:
        asyncio.run(cancelled(server))
        assert 4 <= len(asked.kept) == server.answered.total()


def test_a_budget_of_calls_ends_the_run_and_the_next_goes_on() -> None:
    with serving(delay=0.01) as server:
        asked = Asked()
        told = r"^budget of 12 calls is spent: 12 answered, 18 left; run again to go on$"
        with pytest.raises(BudgetSpentError, match=told):
            ask_many(server.base_url, requests(30), asked, budget=Budget(max_calls=12), total=30)
        assert len(asked.kept) == len(asked.outcomes) == server.answered.total() == 12
        rest = [each for each in requests(30) if each.key not in {r.key for r, _ in asked.outcomes}]
        ask_many(server.base_url, rest, asked, budget=Budget(max_calls=18))
        assert len(asked.kept) == 30 and set(server.answered.values()) == {1}


def test_calls_without_an_answer_cost_nothing() -> None:
    faults = [failing(400)] * 5
    with serving(*faults) as server:
        asked = ask_many(server.base_url, requests(15), Asked(), budget=Budget(max_calls=10))
    assert len(asked.kept) == 10


def test_a_budget_of_tokens_is_not_passed() -> None:
    body = request().body
    each = estimate({**body, "max_tokens": 50}, 1000)
    assert each == 334 + 50
    budget = Budget(max_tokens=3000)
    asked = Asked()
    with serving() as server, pytest.raises(BudgetSpentError, match="budget of 3000 tokens"):
        many = [request(number, text="word " * 200, max_tokens=64) for number in range(200)]
        ask_many(server.base_url, many, asked, budget=budget)
    used = sum(reply.prompt_tokens + reply.completion_tokens for reply in asked.kept)
    assert used == budget.tokens <= 3000
    assert used > 3000 - 2 * estimate(many[0].body, 2000), "and nearly all of it is used"


def test_a_source_that_waits_for_answers_does_not_hold_up_the_end() -> None:
    async def go(server: Server) -> None:
        answered = asyncio.Event()

        async def asking() -> AsyncIterator[Request]:
            for number in range(6):
                yield request(number)
            await answered.wait()

        budget = Budget(max_calls=4)
        client = Client(endpoint(), server.base_url, on_reply=lambda *_: None, budget=budget)
        async with client, aclosing(ask_all(client, asking(), "default")) as stream:
            async for _ in stream:
                pass

    with serving() as server, pytest.raises(BudgetSpentError, match="4 answered; run again"):
        asyncio.run(asyncio.wait_for(go(server), 5))


def test_a_source_that_fails_ends_it_after_what_was_asked() -> None:
    def broken() -> Iterator[Request]:
        yield from requests(3)
        raise ValueError("no such variable")

    asked = Asked()
    with serving(delay=0.05) as server, pytest.raises(ValueError, match="no such variable"):
        ask_many(server.base_url, broken(), asked)
    assert len(asked.outcomes) == 3


def test_partitions_of_one_run_share_a_budget() -> None:
    limited = endpoint(max_calls=5)
    assert budget_of("run", limited) is budget_of("run", endpoint(max_calls=5))
    assert budget_of("run", limited) is not budget_of("another run", limited)


def test_threads_share_a_budget() -> None:
    budget = Budget(max_calls=20)
    asked = [Asked() for _ in range(3)]
    spent = []

    def partition(number: int, url: str) -> None:
        own = [request(number * 100 + each) for each in range(10)]
        try:
            ask_many(url, own, asked[number], budget=budget)
        except BudgetSpentError as error:
            spent.append(error)

    with serving(delay=0.01) as server:
        threads = [threading.Thread(target=partition, args=(n, server.base_url)) for n in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert server.answered.total() == sum(len(each.kept) for each in asked) == 20
    assert spent
