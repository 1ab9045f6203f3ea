"""The batch API of the tests' server: `/v1/files` and `/v1/batches`, as OpenAI speaks them."""

import re
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from tests.critic.answers import client_left, respond

if TYPE_CHECKING:
    from tests.critic.server import Server

FILE = rb'filename="[^"]*"[^\r]*(?:\r\n[^\r]+)*\r\n\r\n(.*?)\r\n--'
"""In a form."""


@dataclass
class Provider:
    """Files and batches. A batch is answered, and paid for, when it is first looked at.

    Attributes:
        hold: batches stay under way; `slow`: so for so many looks.
        ends: how the next batches end, in order: `completed` where there is none; `expired` and
            `cancelled` after half of their requests; `failed` and the code of an error.
        halts: points at which nothing is ever answered: `upload`, `create` (before the batch is
            made), `created` (after), `look`, `output`, `errors`.
        reached: every point that was reached, in order.
        rewrite: what becomes of the lines of a file, by its kind: `output` or `errors`; `late`: a
            file that was read so often is the whole one.
        files, batches: what is kept, by id.
    """

    hold: bool = False
    slow: int = 0
    ends: deque[str] = field(default_factory=deque)
    halts: set[str] = field(default_factory=set)
    reached: list[str] = field(default_factory=list)
    rewrite: dict[str, Callable[[list[bytes]], list[bytes]]] = field(default_factory=dict)
    late: int = 1_000_000
    files: dict[str, bytes] = field(default_factory=dict)
    batches: dict[str, dict[str, Any]] = field(default_factory=dict)

    async def __call__(
        self, server: "Server", scope: Any, content: bytes, receive: Any, send: Any
    ) -> bool:
        """Answer a call of the batch API; False where it is none."""
        parts = scope["path"].removeprefix("/v1/").split("/")
        match (scope["method"], *parts):
            case ("POST", "files"):
                point, give = "upload", lambda: self._upload(content)
            case ("POST", "batches"):
                point, give = "create", lambda: self._create(content)
            case ("GET", "batches"):
                newest = list(self.batches.values())[::-1]
                point, give = "list", lambda: {"object": "list", "data": newest, "has_more": False}
            case ("GET", "batches", id) if id in self.batches:
                point, give = "look", lambda: self._look(server, self.batches[id])
            case ("GET", "files", id, "content") if id in self.files:
                point, give = id.partition("-")[0], lambda: self._content(id)
            case _:
                return False
        told = None
        for name in (point, "created") if point == "create" else (point,):
            self.reached.append(name)
            if name in self.halts:
                await client_left(receive, 3600)
                return True
            told = told or give()
        await respond(send, 200, told)
        return True

    def requests(self, batch: dict[str, Any]) -> list[dict[str, Any]]:
        """The lines of the file of a batch."""
        return [orjson.loads(line) for line in self.files[batch["input_file_id"]].splitlines()]

    def _upload(self, content: bytes) -> dict[str, Any]:
        """The one file of a form."""
        found = re.search(FILE, content, re.DOTALL)
        assert found is not None
        return self._file("input", found[1])

    def _file(self, kind: str, content: bytes) -> dict[str, Any]:
        id = f"{kind}-{len(self.files)}"
        self.files[id] = content
        return {"id": id, "object": "file", "bytes": len(content), "purpose": "batch"}

    def _content(self, id: str) -> bytes:
        kind = id.partition("-")[0]
        if kind not in self.rewrite or self.reached.count(kind) > self.late:
            return self.files[id]
        return b"\n".join(self.rewrite[kind](self.files[id].splitlines())) + b"\n"

    def _create(self, content: bytes) -> dict[str, Any]:
        asked = orjson.loads(content)
        assert asked["endpoint"] == "/v1/chat/completions" and asked["completion_window"] == "24h"
        batch = {
            "id": f"batch-{len(self.batches)}",
            "object": "batch",
            "status": "validating",
            "created_at": int(time.time()),
            **asked,
        }
        self.batches[batch["id"]] = batch
        return batch

    def _look(self, server: "Server", batch: dict[str, Any]) -> dict[str, Any]:
        total = len(self.requests(batch))
        if batch["status"] == "validating":
            batch |= {"status": "in_progress", "request_counts": {"total": total, "completed": 0}}
        if batch["status"] == "in_progress" and not self.hold and not self.slow:
            self._end(server, batch)
        self.slow = max(self.slow - 1, 0)
        return batch

    def _end(self, server: "Server", batch: dict[str, Any]) -> None:
        how, _, code = (self.ends.popleft() if self.ends else "completed").partition(" ")
        batch["status"] = how
        if how == "failed":
            batch["errors"] = {"data": [{"code": code, "message": f"Refused: {code}."}]}
            return
        lines: dict[str, list[bytes]] = {"output": [], "errors": []}
        asked = self.requests(batch)
        batch["status"] = "canceled" if how == "cancelled" and code == "us" else how
        whole = len(asked) if how == "completed" else len(asked) // 2
        for line in asked[:whole]:
            key, body = line["custom_id"], line["body"]
            draft = server.draft(key, body, "")
            payload = draft.payload()
            if isinstance(payload, bytes):
                payload = orjson.loads(payload)
            if draft.status == 200:
                server.paid(key)
            response = {"status_code": draft.status, "request_id": "r", "body": payload}
            told = {"id": "l", "custom_id": key, "response": response, "error": None}
            lines["output" if draft.status == 200 else "errors"].append(orjson.dumps(told))
        counts = {"completed": len(lines["output"]), "failed": len(lines["errors"])}
        batch["request_counts"] = {"total": len(asked), **counts}
        if how == "expired":
            error = {"code": "batch_expired", "message": "This request could not be executed."}
            for line in asked[whole:]:
                told = {"custom_id": line["custom_id"], "response": None, "error": error}
                lines["errors"].append(orjson.dumps(told))
        for kind, field_name in (("output", "output_file_id"), ("errors", "error_file_id")):
            if lines[kind]:
                batch[field_name] = self._file(kind, b"\n".join(lines[kind]) + b"\n")["id"]
