"""Keys go to the server and nowhere else."""

import asyncio
import base64
import logging
import traceback

import pytest

from srft_assets.critic.client import Client
from srft_assets.critic.failures import CallError, secrets_of
from tests.critic.calls import KEY, ask, endpoint, request
from tests.critic.faults import Fault, echoing_key, failing, saying, sending
from tests.critic.server import Server, serving


def everything_told(error: BaseException | None) -> str:
    """All that an error shows: its text, its repr, its tracebacks, and of every error before it."""
    told = []
    while error is not None:
        told += [str(error), repr(error), repr(vars(error)), *traceback.format_exception(error)]
        error = error.__cause__ or error.__context__
    return "\n".join(told)


@pytest.mark.parametrize(
    "fault",
    [
        echoing_key(401),
        echoing_key(400),
        echoing_key(404),
        echoing_key(429),
        echoing_key(500),
        failing(400, "x" * 195 + KEY),
        failing(302, location=f"http://me:{KEY}@elsewhere/{KEY}"),
        failing(429, f"wait, {KEY}", retry_after="9000"),
        sending(f'{{"error": "{KEY}"}}'.encode()),
        sending(f"HTTP broken {KEY}".encode()),
    ],
)
def test_a_server_that_echoes_the_key_does_not_betray_it(
    fault: Fault, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    with serving(*[fault] * 2) as server, pytest.raises(CallError) as told:
        ask(server.base_url, request(), attempts=2)
    written = capfd.readouterr()
    seen = everything_told(told.value) + caplog.text + written.out + written.err
    assert KEY not in seen and KEY[:12] not in seen
    assert "HTTP " in seen


def test_a_model_that_repeats_the_key_does_not_carry_it_into_the_ledger() -> None:
    with serving(saying(f"your key is {KEY}"), failing(500, KEY)) as server:
        assert ask(server.base_url, request()).content == "your key is [hidden]"
        assert KEY not in repr(ask(server.base_url, request()))


def test_the_key_reaches_the_server() -> None:
    seen: list[str] = []
    with serving(
        server=Server(rule=lambda body: lambda draft: seen.append(draft.authorization))
    ) as server:
        ask(server.base_url, request())
        ask(server.base_url, request(), api_key=f"{KEY}\n")
        ask(server.base_url, request(), api_key=None)
        ask(server.base_url.replace("//", "//me:pass%40word@"), request(), api_key=None)
    pair = base64.b64encode(b"me:pass@word").decode()
    assert seen == [f"Bearer {KEY}", f"Bearer {KEY}", "", f"Basic {pair}"]


def test_a_password_in_the_url_stays_unseen(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    url = "http://me:hunter%402hunter@127.0.0.1:1/v1?api-key=topsecret&api-version=1"
    with pytest.raises(CallError) as told:
        ask(url, request(), attempts=2)
    seen = everything_told(told.value) + caplog.text + repr(secrets_of(url, KEY))
    assert "127.0.0.1:1" in seen
    for secret in ("hunter", "topsecret", KEY):
        assert secret not in seen
    query = "?api-key=topsecret&api-version=1"
    assert secrets_of(url, KEY).chat_url == f"http://127.0.0.1:1/v1/chat/completions{query}"


def test_user_and_query_values_are_hidden_in_what_a_server_says_and_not_in_answers() -> None:
    secrets = secrets_of("http://account:pw@host/v1?tenant=my-tenant", KEY)
    said = "no account at https://other:x@host/v1?a=b&c=d for my-tenant"
    assert secrets.scrub(said) == "no [hidden] at https://[hidden]@host/v1?[hidden] for [hidden]"
    assert secrets.scrub_answer("the account of my-tenant") == "the account of my-tenant"
    with pytest.raises(CallError, match=r"'ftp://\[hidden\]@host/\?\[hidden\]'"):
        secrets_of("ftp://me:pw@host/?key=topsecret", KEY)


def test_a_url_that_is_none_does_not_show_its_password() -> None:
    url = "htp://me:hunter2@host/v1"
    with pytest.raises(CallError) as told:
        ask(url, request())
    assert "hunter2" not in everything_told(told.value)


@pytest.mark.parametrize("key", [f"{KEY}\nX: y", "sk-ключ-0123456789", f"{KEY}\x00"])
def test_a_key_that_no_header_can_carry_is_told_without_showing_it(key: str) -> None:
    with pytest.raises(CallError, match="no HTTP header") as told:
        ask("http://127.0.0.1:1/v1", request(), api_key=key)
    assert key not in everything_told(told.value) and KEY not in everything_told(told.value)


def test_the_password_of_a_proxy_stays_unseen(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("http_proxy", "http://me:proxyword@127.0.0.1:1")
    with pytest.raises(CallError, match="connection attempts failed") as told:
        ask("http://critic.example/v1", request(), attempts=1)
    assert "proxyword" not in everything_told(told.value) + caplog.text


def test_the_client_shows_its_url_and_no_key() -> None:
    async def shown() -> str:
        client = Client(endpoint(), "http://host/v1", api_key=KEY)
        async with client:
            return repr(client) + repr(vars(client))

    told = asyncio.run(shown())
    assert "http://host/v1" in told and KEY not in told


def test_words_that_serve_as_keys_of_local_servers_are_not_hidden() -> None:
    assert secrets_of("http://host/v1", "EMPTY").scrub("EMPTY tests") == "EMPTY tests"
