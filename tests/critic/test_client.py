"""One call: what comes back of it, and what it is sent through."""

import json
from datetime import datetime, timedelta

import pytest

from srft_assets.critic.answer import parse
from srft_assets.critic.failures import CallError, Kind
from tests.critic.calls import SPEC, ask, request
from tests.critic.faults import (
    failing,
    no_usage,
    refusing,
    saying,
    sending,
    truncated,
)
from tests.critic.server import Server


def test_a_reply_says_what_the_server_said_and_what_it_took(server: Server) -> None:
    asked = request(7, steps=4)
    reply = ask(server.base_url, asked)
    assert reply.key == asked.key
    verdicts = parse(reply, asked, SPEC)
    assert isinstance(verdicts, list) and len(verdicts) == 4
    assert (reply.finish_reason, reply.model) == ("stop", "critic-1@local")
    assert reply.prompt_tokens > 0 and reply.completion_tokens > 0
    assert (reply.about, reply.retries) == ("run-7", 0)
    assert datetime.fromisoformat(reply.at).utcoffset() == timedelta(0)
    assert server.answered == {asked.key: 1}


def test_equal_requests_get_equal_answers(server: Server) -> None:
    first, second = (ask(server.base_url, request(1)) for _ in range(2))
    assert first.content == second.content
    assert second.cached_tokens > 0, "the server had the same instructions in its prefix cache"


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
    monkeypatch.setenv("no_proxy", "inside.invalid")
    assert ask("http://critic.example/v1", request()).finish_reason == "stop"
    with pytest.raises(CallError, match=r"inside\.invalid"):
        ask("http://inside.invalid/v1", request(), attempts=1)


def test_a_redirect_is_told_and_not_followed(server: Server) -> None:
    server.faults.append(failing(308, location="http://elsewhere/v1/chat/completions"))
    with pytest.raises(CallError, match="a redirect to http://elsewhere/v1") as told:
        ask(server.base_url, request())
    assert told.value.kind == Kind.ENDPOINT


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:8000/v1",
        "ftp://host/v1",
        "http://",
        "http://host:99999/v1",
        "http://host/v1\x00",
        "http://exämple..de/v1",
    ],
)
def test_a_base_url_that_is_none_is_told(url: str) -> None:
    with pytest.raises(CallError, match="is no http\\(s\\) URL"):
        ask(url, request())


def test_answers_of_every_kind_are_kept_for_whoever_judges_them(server: Server) -> None:
    server.faults.extend([truncated, refusing, saying("\x00\x1b[2J"), no_usage])
    cut_off, refused, raw, uncounted = (ask(server.base_url, request(6)) for _ in range(4))
    assert cut_off.finish_reason == "length"
    assert refused.refusal and refused.content is None
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
    usage = {"prompt_tokens": -1, "completion_tokens": 12.0, "prompt_tokens_details": "none"}
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
