"""Dagster's own server behind our door: pages of others neither read nor change anything."""

import subprocess
import time
from collections.abc import Iterator

import httpx
import pytest
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient, WebSocketDisconnect

from srft_assets.components.webserver import MODULE, TOKEN, Door
from srft_assets.home import Home
from srft_assets.instance import prepare_instance
from srft_assets.processes.child import python
from tests.ui.dev import free_port

WIPE = 'mutation { wipeAssets(assetPartitionRanges: [{assetKey: {path: ["a"]}}]) { __typename } }'
READ = "{ version }"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Dagster's server as `srft dev` starts it, read-only, without any code; started from a folder
    with modules of somebody else."""
    folder = tmp_path_factory.mktemp("door")
    for name in ("dagster_webserver", "yaml", "graphql"):
        (folder / f"{name}.py").write_text(f"open('ran-{name}', 'w')\nraise SystemExit(9)\n")
    home, port = Home(folder / "home"), free_port()
    env = {"DAGSTER_HOME": str(prepare_instance(home)), TOKEN: "a-token", "PATH": "/usr/bin:/bin"}
    command = python(MODULE, "serve", "--empty-workspace", "--port", str(port), "--read-only")
    with (
        subprocess.Popen(command, cwd=folder, env=env) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client,
    ):
        try:
            for _ in range(600):
                try:
                    client.get("/server_info")
                    break
                except httpx.TransportError:
                    assert process.poll() is None
                    time.sleep(0.2)
            yield client
            assert not list(folder.glob("ran-*"))
        finally:
            process.terminate()


def ask(server: httpx.Client, query: str = READ, **headers: str) -> httpx.Response:
    return server.post("/graphql", json={"query": query}, headers=headers)


def test_our_own_page_and_programs_are_let_in(server: httpx.Client):
    here = str(server.base_url)
    assert ask(server).json()["data"]["version"]
    assert ask(server, Origin=here).status_code == 200
    assert server.get("/").status_code == 200
    assert server.get("/graphql", params={"query": READ}).json()["data"]["version"]


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
def test_pages_of_others_are_not(server: httpx.Client, origin: str):
    assert ask(server, Origin=origin).status_code == 403
    assert server.get("/graphql", params={"query": READ}, headers={"Origin": origin}).is_error


@pytest.mark.parametrize("query", [WIPE, f"query a {READ} {WIPE}", "subscription { a }"])
def test_nothing_is_changed_by_get(server: httpx.Client, query: str):
    answer = server.get("/graphql", params={"query": query, "operationName": "a"})
    assert (answer.status_code, answer.text) == (403, "GET changes nothing: POST a mutation\n")


def test_a_name_that_is_rebound_to_this_machine_needs_the_token(server: httpx.Client):
    assert ask(server, Host="evil.example").status_code == 403
    wrong = server.get("/", params={"token": "another"}, headers={"Host": "me.example"})
    assert wrong.status_code == 403
    given = server.get("/runs?token=a-token&a=1", headers={"Host": "me.example"})
    assert (given.status_code, given.headers["location"]) == (307, "/runs?a=1")
    cookie = given.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=lax" in cookie
    assert ask(server, Host="me.example", Cookie=cookie.split(";")[0]).status_code == 200


def test_read_only_starts_and_changes_nothing(server: httpx.Client):
    told = ask(server, WIPE).json()["data"]["wipeAssets"]["__typename"]
    assert told in ("UnauthorizedError", "UnsupportedOperationError")


async def echo(scope, receive, send):
    """An application with a socket."""
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.close"})


def test_a_socket_is_opened_for_our_own_page_alone():
    client = TestClient(Door(echo, "a-token"))
    ours = {"Origin": "http://localhost:3000"}
    with client.websocket_connect("ws://localhost:3000/graphql", headers=ours):
        pass
    for host, origin in (("localhost:3000", "https://evil.example"), ("evil.example", "")):
        headers = {"Origin": origin} if origin else {}
        with (
            pytest.raises(WebSocketDisconnect) as refused,
            client.websocket_connect(f"ws://{host}/graphql", headers=headers),
        ):
            pass
        assert refused.value.code == 1008


@pytest.mark.parametrize(
    ("host", "origin", "code"),
    [
        ("localhost:80", "http://localhost", 200),
        ("srft.localhost:3000", "http://srft.localhost:3000", 200),
        ("localhost:3000", "https://ui.example", 200),
        ("localhost:443", "http://localhost", 403),
        ("evil-localhost", "http://evil-localhost", 403),
    ],
)
def test_ports_names_and_stated_origins(host: str, origin: str, code: int):
    door = Door(PlainTextResponse("in"), "", {"https://ui.example"})
    client = TestClient(door)
    assert client.get("/", headers={"Host": host, "Origin": origin}).status_code == code
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 403, "no token at all"


def test_a_probe_asks_by_any_name():
    client = TestClient(Door(PlainTextResponse("in"), "a-token"))
    assert client.get("/server_info", headers={"Host": "10.0.0.7:3000"}).status_code == 200
