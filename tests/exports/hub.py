"""A server that speaks the Hub's protocol for uploads, and remembers what it was sent."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """One repository on the server.

    Attributes:
        files: path → content.
        large: contents that came by the protocol of Git LFS, by their SHA-256.
        created: bodies of requests to create it.
        tokens: values of the header Authorization.
        writable: whether commits are taken.
    """

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    large: dict[str, bytes] = field(default_factory=dict)
    created: list[dict[str, Any]] = field(default_factory=list)
    tokens: set[str | None] = field(default_factory=set)
    cards: list[str] = field(default_factory=list)
    writable: bool = True

    def commit(self, lines: list[dict[str, Any]]) -> None:
        """Apply the operations of a commit."""
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                self.files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                self.files[value["path"]] = self.large[value["oid"]]
            elif line["key"] == "deletedFile":
                del self.files[value["path"]]


def mode(path: str) -> str:
    """How the server wants a file."""
    return "lfs" if path.endswith(".safetensors") else "regular"


def posted(hub: Hub, api: str, place: str, path: str, body: bytes) -> tuple[object, int]:
    """What the server answers, and the status."""
    if path == "/api/repos/create":
        hub.created.append(json.loads(body))
        return {"url": f"{hub.url}/{place}"}, 200
    if path == "/api/validate-yaml":
        hub.cards.append(json.loads(body)["content"])
        return {"warnings": [], "errors": []}, 200
    if path == f"{api}/preupload/main":
        stated = [one["path"] for one in json.loads(body)["files"]]
        files = [{"path": one, "uploadMode": mode(one), "shouldIgnore": False} for one in stated]
        return {"files": files}, 200
    if path == f"/{place}.git/info/lfs/objects/batch":
        upload = {"upload": {"href": f"{hub.url}/lfs"}}
        objects = [{**one, "actions": upload} for one in json.loads(body)["objects"]]
        return {"transfer": "basic", "objects": objects}, 200
    if path == f"{api}/commit/main" and not hub.writable:
        return {"error": "you may not write"}, 403
    if path == f"{api}/commit/main":
        hub.commit([json.loads(line) for line in body.splitlines()])
        url = f"{hub.url}/{place}/commit/{COMMIT}"
        return {"commitUrl": url, "commitOid": COMMIT, "success": True}, 200
    return {"error": f"unknown {path}"}, 404


@contextmanager
def hub_of(repository: str, kind: str = "dataset") -> Iterator[Hub]:
    """Serve the repository while the block runs; weights come by Git LFS."""
    hub = Hub()
    api = f"/api/{kind}s/{repository}"
    place = repository if kind == "model" else f"{kind}s/{repository}"

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path.startswith(f"{api}/tree/"):
                entries = [
                    {"type": "file", "path": name, "size": len(data), "oid": f"{len(data):040x}"}
                    for name, data in hub.files.items()
                ]
                self.answer(entries)
            elif path in (api, f"{api}/revision/main"):
                names = [{"rfilename": name} for name in hub.files]
                self.answer({"id": repository, "sha": COMMIT, "siblings": names})
            else:
                self.answer({"error": f"unknown {path}"}, 404)

        def do_POST(self) -> None:
            hub.tokens.add(self.headers.get("Authorization"))
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.answer(*posted(hub, api, place, self.path.partition("?")[0], body))

        def do_PUT(self) -> None:
            data = self.rfile.read(int(self.headers["Content-Length"]))
            hub.large[sha256(data).hexdigest()] = data
            self.answer({})

        def answer(self, value: object, status: int = 200) -> None:
            data = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        hub.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield hub
        finally:
            server.shutdown()
