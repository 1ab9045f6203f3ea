"""What is asked again, how long is waited before, and what is told at once."""

import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from tenacity import wait_fixed

from srft_assets.critic.failures import CallError, Kind, asked_pause
from tests.critic.calls import ask, request
from tests.critic.faults import cut, failing, hanging, rate_limited, sending
from tests.critic.server import Server, serving


@pytest.mark.parametrize(
    "fault",
    [
        failing(500),
        failing(503),
        failing(529),
        failing(408),
        failing(409),
        rate_limited("0.05"),
        failing(429, retry_after_ms="40"),
        cut,
        sending(b""),
        sending(b"<html>bad gateway</html>"),
        sending(b'{"choices": [{"mess'),
        sending(b'{"object": "chat.completion", "choices": []}'),
        sending(b'{"error": {"message": "overloaded"}}'),
        sending(b'{"error": {"message": "overloaded", "code": 502}}'),
        failing(204, ""),
        sending(b"[1, 2]"),
    ],
)
def test_what_may_go_better_is_tried_again(server: Server, fault) -> None:
    server.faults.extend([fault, fault])
    asked = request(2)
    reply = ask(server.base_url, asked)
    assert reply.retries == 2
    assert server.calls[asked.key] == 3


def test_a_server_that_hangs_is_asked_again_after_the_timeout(server: Server) -> None:
    server.faults.append(hanging())
    reply = ask(server.base_url, request(3), timeout=0.3)
    assert reply.retries == 1 and reply.seconds >= 0.3


def test_a_server_that_is_not_there_yet_is_tried_again() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
        with pytest.raises(
            CallError, match=r"^3 attempts failed, the last with: .*connection attempts failed"
        ) as told:
            ask(url, request(), attempts=3)
    assert told.value.kind == Kind.UNAVAILABLE


def test_attempts_end(server: Server) -> None:
    server.faults.extend([failing(500, "no \x1b[31mGPU\nhere")] * 9)
    asked = request(4)
    with pytest.raises(
        CallError, match=r"^4 attempts failed, the last with: HTTP 500: no  \[31mGPU here"
    ) as told:
        ask(server.base_url, asked)
    assert told.value.kind == Kind.UNAVAILABLE
    assert server.calls[asked.key] == 4


def test_an_error_with_status_200_says_its_status_inside(server: Server) -> None:
    server.faults.append(sending(b'{"error": {"message": "No auth", "code": 401}}'))
    with pytest.raises(CallError, match="HTTP 401: No auth") as told:
        ask(server.base_url, request())
    assert told.value.kind == Kind.AUTH


def test_the_server_says_how_long_to_wait(server: Server) -> None:
    server.faults.append(rate_limited("1"))
    ask(server.base_url, request())
    *_, first, second = server.times
    assert second - first >= 1.0


@pytest.mark.parametrize("stated", ["0", "0.01"])
def test_a_server_that_wants_next_to_no_pause_is_given_one(
    server: Server, monkeypatch: pytest.MonkeyPatch, stated: str
) -> None:
    monkeypatch.setattr(
        "srft_assets.critic.client.wait_random_exponential", lambda **_: wait_fixed(0.2)
    )
    server.faults.extend([rate_limited(stated)] * 3)
    assert ask(server.base_url, request()).retries == 3
    assert server.times[-1] - server.times[-4] >= 3 * 0.2


def test_retry_after_comes_in_three_forms() -> None:
    assert asked_pause({"retry-after": "7"}) == 7
    assert asked_pause({"retry-after-ms": "250", "retry-after": "7"}) == 0.25
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert asked_pause({"retry-after": date}) == pytest.approx(30, abs=2)
    past = format_datetime(datetime.now(UTC) - timedelta(hours=1), usegmt=True)
    assert asked_pause({"retry-after": past}) == 0
    for unusable in ("", "soon", "-1", "nan", "inf", "Mon, 99 Foo 2026"):
        assert asked_pause({"retry-after": unusable}) is None


def test_a_server_that_is_closed_for_hours_is_not_waited_for(server: Server) -> None:
    server.faults.append(rate_limited("7200"))
    with pytest.raises(CallError, match="asks to wait 7200 s; run again then") as told:
        ask(server.base_url, request())
    assert told.value.kind == Kind.QUOTA


def test_an_attempt_bears_the_key_that_it_would_bear_in_another_process() -> None:
    with serving(failing(500), None, failing(500), None) as server:
        for number in (1, 1, 2):
            ask(server.base_url, request(number))
    first, second, again, after, other = server.idempotency
    assert (first, second) == (again, after) and len({first, second, other}) == 3
    assert first.endswith("-1") and second.endswith("-2")
