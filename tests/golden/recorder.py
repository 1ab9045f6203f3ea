"""A server of the OpenAI chat protocol that keeps the hash of every request body.

Each critic asks below a path of its own, `<url>/<critic>/v1`, so that its requests are known.
"""

import hashlib
import json
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.critic.answers import answer_to, schema_of


def digest(value: Any) -> str:
    """SHA-256 of a JSON value, whatever the order of its keys."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class Recorder(ThreadingHTTPServer):
    """Answers every request with valid labels chosen by its hash."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.hashes: dict[str, list[str]] = defaultdict(list)
        """Name in the path → hash of each request body."""

    @property
    def url(self) -> str:
        """Where it serves, without the critic's name."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def base_url(self, critic: str) -> str:
        """Where this critic asks."""
        return f"{self.url}/{critic}/v1"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Recorder

    def do_GET(self) -> None:
        self._send({"object": "list", "data": [{"id": "local", "object": "model"}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        key = digest(body)
        self.server.hashes[self.path.split("/")[1]].append(key)
        schema = schema_of(body)
        content = "I was given no schema." if schema is None else answer_to(schema, key)
        asked = sum(len(message["content"]) for message in body["messages"]) // 4
        self._send(
            {
                "id": "chatcmpl-local",
                "object": "chat.completion",
                "created": 0,
                "model": body["model"],
                "choices": [
                    {
                        "index": 0,
                        "finish_reason": "stop",
                        "message": {"role": "assistant", "content": content},
                    }
                ],
                "usage": {
                    "prompt_tokens": asked,
                    "completion_tokens": len(content) // 4,
                    "total_tokens": asked + len(content) // 4,
                },
            }
        )

    def _send(self, value: Any) -> None:
        content = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def recording() -> Iterator[Recorder]:
    """A recorder on a free port of 127.0.0.1."""
    server = Recorder()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=10)
