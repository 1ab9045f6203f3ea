"""A local server of the OpenAI chat protocol: real HTTP, answers of its own, faults on demand.

It answers whatever schema the request carries: labels are chosen by hash, so equal requests get
equal verdicts. In a test: `with serving() as server: ... server.base_url, server.answered`.
In a process of its own: `with serving_apart("--delay", 1, "--log", "answered.jsonl") as url: ...`.
"""

import argparse
import os
import socket
import subprocess
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import uvicorn

from srft_assets.warehouse.recipe import digest
from tests.critic.answers import answer_to, client_left, read_body, respond, schema_of
from tests.critic.batch_server import Provider
from tests.critic.faults import Draft, Fault

ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass
class Server:
    """What was asked, and how to answer.

    Attributes:
        delay: seconds from the request to its answer.
        faults: for the next calls, in order; None answers well.
        rule: a fault for every request that it names one for, after `faults` are used up.
        by: labels hang on the whole `request` or on the `step` index alone, so that another
            prompt gets the same verdicts.
        log: file that gets one JSON line for each answered call, kept over restarts.
        calls: key of the request → how often it came.
        answered: key of the request → how often it was answered with 200, and so paid for.
        bodies: the requests, where `keep` is set.
        times: when each call came, by the monotonic clock.
        open: calls under way.
        busiest: most calls under way at once.
        base_url: where it serves.
        provider: its batch API.
    """

    delay: float = 0.0
    faults: deque[Fault | None] = field(default_factory=deque)
    rule: Callable[[dict[str, Any]], Fault | None] = lambda body: None
    by: str = "request"
    log: Path | None = None
    keep: bool = False
    calls: Counter[str] = field(default_factory=Counter)
    answered: Counter[str] = field(default_factory=Counter)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    idempotency: list[str] = field(default_factory=list)
    open: int = 0
    busiest: int = 0
    base_url: str = ""
    provider: Provider = field(default_factory=Provider)
    _seen: set[str] = field(default_factory=set)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """The ASGI application."""
        if scope["type"] != "http":
            return
        content = await read_body(receive)
        match scope["path"].rsplit("/", 1)[-1]:
            case "completions":
                self.open += 1
                self.busiest = max(self.busiest, self.open)
                try:
                    await self._complete(scope, content, receive, send)
                finally:
                    self.open -= 1
            case "models":
                await respond(send, 200, {"object": "list", "data": [{"id": "local"}]})
            case "health":
                await respond(send, 200, {})
            case _:
                if not await self.provider(self, scope, content, receive, send):
                    await respond(send, 404, {"error": {"message": "no such path"}})

    async def _complete(self, scope: Any, content: bytes, receive: Any, send: Any) -> None:
        body = orjson.loads(content)
        key = digest(body)
        self.calls[key] += 1
        self.times.append(time.monotonic())
        self.idempotency.append(dict(scope["headers"]).get(b"idempotency-key", b"").decode())
        if self.keep:
            self.bodies.append(body)
        draft = self.draft(key, body, dict(scope["headers"]).get(b"authorization", b"").decode())
        if await client_left(receive, draft.wait):
            return
        if draft.status == 200 and not draft.cut:
            self.paid(key)
        await respond(send, draft.status, draft.payload(), draft.headers, draft.cut)

    def draft(self, key: str, body: dict[str, Any], authorization: str) -> Draft:
        """The answer to a request, with the fault that is due."""
        schema = schema_of(body)
        salt = key if self.by == "request" else ""
        content = "I was given no schema." if schema is None else answer_to(schema, salt)
        first = str(body["messages"][0].get("content"))
        cached = len(first) // 4 if first in self._seen else 0
        self._seen.add(first)
        draft = Draft(body, content, authorization, wait=self.delay, cached=cached)
        fault = self.faults.popleft() if self.faults else self.rule(body)
        if fault is not None:
            fault(draft)
        return draft

    def paid(self, key: str) -> None:
        """Note an answer."""
        self.answered[key] += 1
        if self.log is not None:
            line = orjson.dumps({"key": key, "at": time.time()}, option=orjson.OPT_APPEND_NEWLINE)
            descriptor = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            os.write(descriptor, line)
            os.close(descriptor)


@contextmanager
def serving(
    *faults: Fault | None, server: Server | None = None, **settings: Any
) -> Iterator[Server]:
    """A server on a free port of 127.0.0.1, in a thread of this process."""
    server = server or Server(**settings)
    server.faults.extend(faults)
    listening = _listen()
    server.base_url = _url(listening)
    runner = uvicorn.Server(_config(server))
    thread = threading.Thread(target=runner.run, args=([listening],), daemon=True)
    thread.start()
    try:
        while not runner.started:
            time.sleep(0.005)
        yield server
    finally:
        runner.should_exit = runner.force_exit = True
        thread.join(timeout=10)
        listening.close()


@contextmanager
def serving_apart(*arguments: object) -> Iterator[str]:
    """A server in a process of its own, killed in the end; its base URL."""
    command = [sys.executable, "-m", "tests.critic.server", *map(str, arguments)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def answered_in(log: Path) -> Counter[str]:
    """Key of the request → answers, as a server's log has them."""
    lines = log.read_bytes().splitlines() if log.exists() else []
    return Counter(orjson.loads(line)["key"] for line in lines)


def _config(server: Server) -> uvicorn.Config:
    return uvicorn.Config(
        server, log_level="critical", lifespan="off", access_log=False, timeout_keep_alive=60
    )


def _listen() -> socket.socket:
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen(256)
    return listening


def _url(listening: socket.socket) -> str:
    return f"http://127.0.0.1:{listening.getsockname()[1]}/v1"


def main() -> None:
    """Serve until SIGINT or SIGTERM; the first line printed is the base URL."""
    parser = argparse.ArgumentParser(prog="python -m tests.critic.server")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds an answer takes")
    parser.add_argument("--log", type=Path, help="file for one JSON line an answered call")
    given = parser.parse_args()
    listening = _listen()
    print(_url(listening), flush=True)
    uvicorn.Server(_config(Server(delay=given.delay, log=given.log))).run([listening])


if __name__ == "__main__":
    main()
