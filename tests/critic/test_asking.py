"""Many calls: bounded, lazy, each asked once, and stopped where going on is of no use."""

from collections.abc import Iterator

import pytest

from srft_assets.critic.calls import Request
from srft_assets.critic.failures import CallError, Kind
from srft_assets.critic.verdict import Label
from tests.critic.calls import Asked, ask_many, request, requests
from tests.critic.faults import Fault, failing, rate_limited
from tests.critic.server import Server, serving


def about(asked: Asked) -> list[str]:
    return sorted(each.request.about for each in asked.over)


def test_every_request_is_asked_once_and_at_most_so_many_at_once(asked: Asked) -> None:
    with serving(delay=0.05) as server:
        ask_many(server.base_url, requests(40), asked, concurrency=5)
    assert server.busiest == 5
    assert about(asked) == sorted(each.about for each in requests(40))
    assert {(each.critic, each.batch) for each in asked.kept} == {("default", "batch")}
    assert {each.key for each in asked.kept} == server.calls.keys()
    assert set(server.calls.values()) == {1}


def test_requests_are_taken_as_places_get_free(asked: Asked) -> None:
    taken, lead = [], []

    def rendering() -> Iterator[Request]:
        for number in range(60):
            taken.append(number)
            lead.append(len(taken) - len(asked.over))
            yield request(number)

    with serving() as server:
        ask_many(server.base_url, rendering(), asked, concurrency=4)
    assert len(taken) == 60
    assert max(lead) <= 3 * 4, "calls under way, as many before and after one"


def test_no_requests_no_calls(asked: Asked) -> None:
    with serving() as server:
        ask_many(server.base_url, [], asked)
    assert (asked.over, server.calls) == ([], {})


def test_what_the_ledger_answers_meanwhile_is_not_asked(asked: Asked) -> None:
    with serving() as server:
        ask_many(server.base_url, requests(10), asked)
        ask_many(server.base_url, requests(20), asked)
    assert server.calls.total() == 20
    assert len(asked.over) == 30


def test_two_requests_that_are_the_same_are_asked_once(asked: Asked) -> None:
    with serving(delay=0.1) as server:
        ask_many(server.base_url, [request(1)] * 5, asked)
    assert server.calls.total() == 1
    assert len(asked.over) == 5


@pytest.mark.parametrize("said", ["context length", "filtered: content management policy"])
def test_a_request_that_fails_leaves_the_others_alone(asked: Asked, said: str) -> None:
    def rule(body: dict) -> Fault | None:
        return failing(400, said) if "Run 3." in str(body) else None

    with serving(server=Server(rule=rule)) as server:
        ask_many(server.base_url, requests(10), asked)
    failed = [each for each in asked.over if each.verdicts[0].label is Label.UNLABELED]
    assert [each.request.about for each in failed] == ["run-3"]
    assert [each.request.about for each in asked.over if each.refused] == ["run-3"]
    assert len(asked.kept) == 9


def test_a_wrong_key_ends_it_at_once(asked: Asked) -> None:
    with serving(server=Server(delay=0.02, rule=lambda body: failing(401))) as server:
        with pytest.raises(CallError, match="api_key_env"):
            ask_many(server.base_url, requests(200), asked, concurrency=4)
        assert server.calls.total() <= 8


def test_a_server_that_only_fails_is_not_asked_for_ever(asked: Asked) -> None:
    with serving(server=Server(rule=lambda body: failing(500))) as server:
        with pytest.raises(
            CallError, match="8 calls in a row failed, the last: 2 attempts failed"
        ) as told:
            ask_many(server.base_url, requests(200), asked, concurrency=4, attempts=2)
        assert server.calls.total() <= 2 * 16
    assert told.value.kind is Kind.UNAVAILABLE


def test_failures_with_answers_between_them_end_nothing(asked: Asked) -> None:
    def rule(body: dict) -> Fault | None:
        return failing(400) if "0. " in str(body) else None

    with serving(server=Server(rule=rule)) as server:
        ask_many(server.base_url, requests(120), asked, concurrency=2)
    assert asked.asking is not None
    assert len(asked.asking.refused) == 12
    assert len(asked.over) == len(asked.kept) == 108


def test_a_429_pauses_the_whole_client(asked: Asked) -> None:
    with serving(None, None, rate_limited("0.6"), delay=0.02) as server:
        ask_many(server.base_url, requests(30), asked, concurrency=4)
        assert len(asked.kept) == 30 and server.calls.total() == 31
        waits = [late - early for early, late in zip(server.times, server.times[1:], strict=False)]
        assert max(waits) > 0.4, "nobody asked meanwhile"
