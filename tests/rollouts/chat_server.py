"""A server of the OpenAI chat protocol that says what it is told to: real HTTP, no model.

`with serving(replies) as server:` in a test; as a program it takes vLLM's `--host` and `--port`,
serves under the key in `VLLM_API_KEY`, and says what the variable `REPLIES` (JSON) holds.
"""

import json
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


@dataclass
class Said:
    """What to say, turn by turn, and what was asked.

    Attributes:
        replies: by the number of assistant messages in the request; the last is said again.
        refuse: text of a task → status with which its calls are answered.
        error: what it says then.
        tokens: of a prompt, as the answers' usage states them.
        names: the models listed.
        key: of the API; None takes any.
        heard: called at each question, before it is answered.
        first: whole bodies that answer the first questions, with status 200.
    """

    replies: Sequence[Any]
    refuse: dict[str, int] = field(default_factory=dict)
    error: str = "no such luck"
    tokens: int = 100
    names: Sequence[str] = ("local",)
    key: str | None = None
    asked: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    base_url: str = ""
    heard: Callable[[], object] = lambda: None
    first: list[dict[str, Any]] = field(default_factory=list)

    def answer(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        self.asked.append(body)
        self.heard()
        if self.first:
            return 200, self.first.pop(0)
        text = json.dumps(body["messages"])
        for words, status in self.refuse.items():
            if words in text:
                return status, {"error": {"message": self.error, "type": "test"}}
        turn = sum(message["role"] == "assistant" for message in body["messages"])
        reply = self.replies[min(turn, len(self.replies) - 1)]
        message = {"role": "assistant", "content": reply}
        if isinstance(reply, dict):
            message = {"role": "assistant", "content": "Go on.", "tool_calls": [reply]}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        usage = {"prompt_tokens": self.tokens, "completion_tokens": 10}
        usage["total_tokens"] = sum(usage.values())
        head = {"id": "chat-1", "object": "chat.completion", "created": 0}
        return 200, {**head, "model": body["model"], "choices": [choice], "usage": usage}


def handler_of(said: Said) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args: Any) -> None:
            pass

        def do_GET(self) -> None:
            listed = {"data": [{"id": name} for name in said.names]}
            self.send(200, listed if self.path.endswith("/models") else {})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            said.keys.append(self.headers["Authorization"] or "")
            if said.key is not None and said.keys[-1] != f"Bearer {said.key}":
                self.send(401, {"error": {"message": f"wrong key {said.keys[-1]}"}})
            else:
                self.send(*said.answer(body))

        def send(self, code: int, body: object) -> None:
            content = json.dumps(body).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    return Handler


@contextmanager
def serving(replies: Sequence[Any], **settings: Any) -> Iterator[Said]:
    """On a free port of this machine, in threads of this process."""
    said = Said(replies, **settings)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler_of(said)) as server:
        said.base_url = f"http://127.0.0.1:{server.server_port}/v1"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield said
        finally:
            server.shutdown()


def _main() -> None:
    def option(name: str) -> str:
        return sys.argv[sys.argv.index(name) + 1]

    Path(os.environ["FAMILY"], str(os.getpid())).write_text(json.dumps(sys.argv))
    names = [sys.argv[1]]
    if "--lora-modules" in sys.argv:
        names.append(option("--lora-modules").partition("=")[0])
    if "--served-model-name" in sys.argv:
        names[0] = option("--served-model-name")
    said = Said(json.loads(os.environ["REPLIES"]), names=names, key=os.environ["VLLM_API_KEY"])
    address = (option("--host"), int(option("--port")))
    ThreadingHTTPServer(address, handler_of(said)).serve_forever()


if __name__ == "__main__":
    _main()
