"""Data sets are fetched from the Hugging Face hub; here from a server that speaks its protocol."""

import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from srft_assets.errors import UsageError
from srft_assets.home import Home
from srft_assets.trajectories.batches import read_manifest
from srft_assets.trajectories.discover import fetch
from tests.trajectories.ingest_support import run_of

COMMIT = "0123456789abcdef0123456789abcdef01234567"
INGEST = """
import sys
from pathlib import Path
from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.trajectories.ingest import ingest
try:
    plan = ingest(Home(Path(sys.argv[1])), [sys.argv[2]])
except SrftError as error:
    sys.exit(f"srft: {error}")
print(plan.batches, plan.rows)
"""


def table(*names: str) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([run_of(name) for name in names]), sink)
    return sink.getvalue()


FILES = {
    "default/train/0000.parquet": table("a", "b"),
    "default/test/0000.parquet": table("c"),
    "README.md": b"# runs",
}


class Hub(BaseHTTPRequestHandler):
    """The four requests of a snapshot download."""

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        api, files = "/api/datasets/owner/runs", f"/datasets/owner/runs/resolve/{COMMIT}/"
        if path == f"{api}/revision/refs%2Fconvert%2Fparquet":
            self.answer(json.dumps({"id": "owner/runs", "sha": COMMIT, "siblings": []}).encode())
        elif path == f"{api}/tree/{COMMIT}":
            listing = [
                {"type": "file", "path": name, "size": len(data), "oid": f"{len(data):040x}"}
                for name, data in FILES.items()
            ]
            self.answer(json.dumps(listing).encode())
        elif path.startswith(files):
            self.answer(FILES[path.removeprefix(files)])
        else:
            self.answer(b"{}", status=404)

    def answer(self, data: bytes, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("ETag", f'"{len(data):040x}"')
        self.send_header("X-Repo-Commit", COMMIT)
        if status == 404:
            self.send_header("X-Error-Code", "RepoNotFound")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)


@pytest.fixture
def hub() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def ingest_from(endpoint: str, address: str, folder: Path) -> subprocess.CompletedProcess[str]:
    hub = {"HF_ENDPOINT": endpoint, "HF_HOME": str(folder / "hf"), "HF_TOKEN": ""}
    env = {**os.environ, **hub, "HF_HUB_OFFLINE": "0"}
    argv = [sys.executable, "-c", INGEST, str(folder / "home"), address]
    return subprocess.run(argv, env=env, capture_output=True, text=True, check=False)


def test_a_split_is_fetched_as_parquet(hub, tmp_path):
    done = ingest_from(hub, "hf://datasets/owner/runs/train", tmp_path)
    assert done.stdout == "('owner-runs-train',) 2\n", done.stderr
    manifest = read_manifest(Home(tmp_path / "home"), "owner-runs-train")
    assert [item.path for item in manifest.items] == ["default/train/0000.parquet"]


def test_what_the_hub_lacks_is_one_line(hub, tmp_path):
    done = ingest_from(hub, "hf://datasets/owner/runs/nope", tmp_path)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1] == (
        "srft: hf://datasets/owner/runs: no split 'nope' in revision refs/convert/parquet"
    )


def test_without_a_network_it_is_one_line(tmp_path):
    done = ingest_from("http://127.0.0.1:9", "hf://datasets/owner/runs", tmp_path)
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("srft: hf://datasets/owner/runs: cannot be fetched")
    assert last.endswith("or download the data set elsewhere and name its files")


@pytest.mark.parametrize(
    "address", ["hf://owner/runs", "hf://datasets/owner", "hf://datasets/a//b"]
)
def test_other_addresses(address):
    with pytest.raises(UsageError, match="write hf://datasets/OWNER/NAME"):
        fetch(address)
