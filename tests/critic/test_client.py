"""One call: what comes back, what is tried again, and what is told."""

import json
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from srft_assets.critic.answer.parse import BadAnswer, parse
from srft_assets.critic.answer.schema import constraint
from srft_assets.critic.call import Request
from srft_assets.critic.client.errors import CallError, Kind
from srft_assets.critic.client.retry_after import asked_pause
from srft_assets.critic.client.wire import proxy_of
from tests.critic.calls import KEY, SPEC, ask, request
from tests.critic.faults import (
    NAMED,
    cut,
    failing,
    hanging,
    no_usage,
    rate_limited,
    refusing,
    saying,
    sending,
    truncated,
)
from tests.critic.server import Server, serving


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    """One server for all tests of this file."""
    with serving() as server:
        yield server


@pytest.fixture
def server(running: Server) -> Server:
    """The server, as good as new."""
    running.faults.clear()
    running.calls.clear()
    running.answered.clear()
    return running


def test_a_reply_says_what_the_server_said_and_what_it_took(server: Server) -> None:
    asked = request(7, steps=4)
    reply = ask(server.base_url, asked)
    assert reply.key == asked.key
    verdicts = parse(reply, asked, SPEC)
    assert isinstance(verdicts, list) and len(verdicts) == 4
    assert (reply.finish_reason, reply.model) == ("stop", "critic-1@local")
    assert reply.prompt_tokens > 0 and reply.completion_tokens > 0
    assert (reply.critic, reply.about, reply.retries) == ("default", "run-7", 0)
    assert datetime.fromisoformat(reply.at).utcoffset() == timedelta(0)
    assert server.answered == {asked.key: 1}


def test_equal_requests_get_equal_answers(server: Server) -> None:
    first, second = (ask(server.base_url, request(1)) for _ in range(2))
    assert first.content == second.content
    assert second.cached_tokens > 0, "the server had the same instructions in its prefix cache"


@pytest.mark.parametrize("answer_format", ["response_format", "structured_outputs"])
@pytest.mark.parametrize("reasons", [True, False])
def test_the_server_of_these_tests_answers_as_critics_want(
    server: Server, answer_format: str, reasons: bool
) -> None:
    spec = SPEC.model_copy(update={"answer_format": answer_format, "reasons": reasons})
    body = {"model": "m", "messages": [{"role": "user", "content": "?"}]}
    asked = Request({**body, **constraint(range(5, 9), spec)}, range(5, 9))
    verdicts = parse(ask(server.base_url, asked), asked, spec)
    assert isinstance(verdicts, list)
    assert [verdict.step_index for verdict in verdicts] == [5, 6, 7, 8]


@pytest.mark.parametrize(
    "name", ["invalid_content", "too_few_steps", "too_many_steps", "truncated", "refusing"]
)
def test_bad_answers_on_demand_are_bad(server: Server, name: str) -> None:
    server.faults.append(NAMED[name])
    asked = request()
    assert isinstance(parse(ask(server.base_url, asked), asked, SPEC), BadAnswer)


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
        NAMED["invalid_body"],
        NAMED["no_choices"],
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
    assert reply.retries == 1 and 0.3 <= reply.seconds < 2


def test_a_server_that_is_not_there_yet_is_tried_again() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
        with pytest.raises(
            CallError, match=r"^3 attempts failed, the last with: .*Cannot connect"
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


@pytest.mark.parametrize(
    ("status", "message", "kind", "advice"),
    [
        (400, "Unknown field response_format", Kind.BAD_REQUEST, "refuses the request"),
        (422, "temperature is no number", Kind.BAD_REQUEST, "refuses the request"),
        (400, "This model's maximum context length is 1024 tokens.", Kind.TOO_LONG, "context"),
        (
            400,
            "The decoder prompt (length 9) is longer than the maximum model length of 8",
            Kind.TOO_LONG,
            "windows",
        ),
        (413, "Payload", Kind.TOO_LONG, "context.tokens"),
        (401, "Unauthorized", Kind.AUTH, "api_key_env"),
        (403, "flagged by moderation", Kind.FORBIDDEN, "forbids"),
        (404, "The model `critic-1` does not exist.", Kind.MODEL, "`model`"),
        (404, "Not Found", Kind.ENDPOINT, "base_url"),
        (429, "insufficient_quota: check your plan", Kind.QUOTA, "quota"),
    ],
)
def test_what_cannot_go_better_is_told_at_once(
    server: Server, status: int, message: str, kind: Kind, advice: str
) -> None:
    server.faults.append(failing(status, message))
    asked = request(5)
    with pytest.raises(CallError, match=advice) as told:
        ask(server.base_url, asked)
    assert told.value.kind == kind
    assert "\n" not in str(told.value) and message in str(told.value)
    assert server.calls[asked.key] == 1


def test_an_error_with_status_200_says_its_status_inside(server: Server) -> None:
    server.faults.append(sending(b'{"error": {"message": "No auth", "code": 401}}'))
    with pytest.raises(CallError, match="HTTP 401: No auth") as told:
        ask(server.base_url, request())
    assert told.value.kind == Kind.AUTH


def test_a_server_on_this_machine_is_asked_without_a_proxy(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert ask(server.base_url, request()).finish_reason == "stop"


def test_any_other_server_is_asked_through_the_proxy_of_the_environment(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = server.base_url.removesuffix("/v1")
    monkeypatch.setenv("http_proxy", proxy)
    monkeypatch.setenv("no_proxy", "inside.example")
    assert ask("http://critic.example/v1", request()).finish_reason == "stop"
    assert proxy_of("http://inside.example/v1") is None


def test_a_redirect_is_told_and_not_followed(server: Server) -> None:
    server.faults.append(failing(308, location="http://elsewhere/v1/chat/completions"))
    with pytest.raises(CallError, match="a redirect to http://elsewhere/v1") as told:
        ask(server.base_url, request())
    assert told.value.kind == Kind.ENDPOINT


@pytest.mark.parametrize(
    "url", ["", "localhost:8000/v1", "ftp://host/v1", "http://", "http://host:99999/v1"]
)
def test_a_base_url_that_is_none_is_told(url: str) -> None:
    with pytest.raises(CallError, match="is no http\\(s\\) URL"):
        ask(url, request())


def test_answers_of_every_kind_are_kept_for_whoever_judges_them(server: Server) -> None:
    server.faults.extend([truncated, refusing, saying(None), saying("\x00\x1b[2J"), no_usage])
    cut_off, refused, silent, raw, uncounted = (ask(server.base_url, request(6)) for _ in range(5))
    assert cut_off.finish_reason == "length"
    assert refused.refusal and refused.content is None
    assert silent.content is None and silent.refusal is None
    assert raw.content == "\x00\x1b[2J"
    assert (uncounted.prompt_tokens, uncounted.completion_tokens) == (0, 0)


def test_a_model_that_reasons_may_say_so_beside_its_answer(server: Server) -> None:
    message = {"role": "assistant", "content": "{}", "reasoning_content": "hm", "tool_calls": []}
    raw = {
        "choices": [{"message": message, "finish_reason": None}],
        "usage": {"prompt_tokens": None},
    }
    server.faults.append(sending(json.dumps(raw).encode()))
    reply = ask(server.base_url, request())
    assert (reply.content, reply.model, reply.prompt_tokens) == ("{}", "critic-1", 0)


def test_an_oddity_beside_the_answer_does_not_lose_it(server: Server) -> None:
    parts = [{"type": "text", "text": '{"0": '}, {"type": "text", "text": '"good"}'}]
    usage = {"prompt_tokens": -1, "completion_tokens": 12, "prompt_tokens_details": "none"}
    choice = {"message": {"content": parts, "refusal": []}, "finish_reason": 0}
    raw = {"choices": [choice], "model": {}, "usage": usage}
    server.faults.append(sending(json.dumps(raw).encode()))
    reply = ask(server.base_url, request())
    assert (reply.content, reply.retries) == ('{"0": "good"}', 0)
    assert (reply.prompt_tokens, reply.completion_tokens, reply.finish_reason) == (0, 12, None)


@pytest.mark.parametrize(
    ("content", "kept"), [(b"tab\there", "tab\there"), (b"\\ud800!", "?!"), (b"\x07", "\x07")]
)
def test_a_body_that_is_not_quite_json_is_read(server: Server, content: bytes, kept: str) -> None:
    server.faults.append(sending(b'{"choices": [{"message": {"content": "' + content + b'"}}]}'))
    reply = ask(server.base_url, request())
    assert (reply.content, reply.retries) == (kept, 0)


def test_the_server_says_how_long_to_wait(server: Server) -> None:
    server.faults.append(rate_limited("1"))
    began = time.monotonic()
    ask(server.base_url, request())
    assert time.monotonic() - began >= 1.0


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


def test_the_server_of_these_tests_speaks_the_protocol_as_the_official_sdk_reads_it(
    server: Server,
) -> None:
    openai = pytest.importorskip("openai")
    sdk = openai.OpenAI(base_url=server.base_url, api_key=KEY, max_retries=0)
    asked = request()
    answer = sdk.chat.completions.create(**asked.body)
    assert answer.choices[0].message.content == ask(server.base_url, asked).content
    assert answer.usage.prompt_tokens > 0
    server.faults.append(rate_limited())
    with pytest.raises(openai.RateLimitError):
        sdk.chat.completions.create(**asked.body)
