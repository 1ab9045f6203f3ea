"""The container image: what the Dockerfile builds has the command line and the web server."""

import os
import ssl
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.errors import BuildError

from srft_assets.home import CHECKOUT
from tests.outcomes.harness.docker_daemon import BASE, NoDaemonError, docker_daemon

PASSED = ("PIP_INDEX_URL", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")


def _base(client: Any) -> str:
    """The base image with the certificate authorities of this machine, which a proxy may need."""
    certificates = Path(
        ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt"
    )
    inside = "/certificates.crt"
    lines = f"FROM {BASE}\nCOPY certificates {inside}\nENV PIP_CERT={inside}\n"
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "certificates").write_bytes(certificates.read_bytes())
        Path(folder, "Dockerfile").write_text(lines, encoding="utf-8")
        built, _ = client.images.build(path=folder, tag="srft-test-certified:1")
    return str(built.id)


@pytest.fixture(scope="module")
def image() -> Iterator[tuple[Any, str]]:
    """A client of a daemon, and the image without extras; skips where it cannot be built here."""
    try:
        with docker_daemon() as host:
            client = docker.DockerClient(base_url=host, timeout=900)
            arguments = {name: os.environ[name] for name in PASSED if name in os.environ}
            base = _base(client)
            try:
                built, _ = client.images.build(
                    path=str(CHECKOUT),
                    tag="srft-test-image:1",
                    buildargs={"BASE": base, "EXTRAS": ""} | arguments,
                    network_mode="host",
                )
            except BuildError as error:
                said = " ".join(line.get("stream", "") for line in error.build_log)
                if "No matching distribution" in said or "Unable to locate" in said:
                    pytest.skip(f"a build reaches no package index here: {error}")
                raise
            yield client, str(built.id)
            client.close()
    except NoDaemonError as error:
        pytest.skip(str(error))


@pytest.mark.timeout(1500)
def test_the_command_line_answers(image: tuple[Any, str]):
    client, built = image
    said = client.containers.run(built, ["plan"], remove=True, network_mode="none").decode()
    assert "partitions in sync" in said


@pytest.mark.timeout(1500)
def test_the_web_server_answers(image: tuple[Any, str]):
    client, built = image
    running = client.containers.run(built, detach=True, network_mode="none")
    try:
        ask = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:3000/server_info').read())"
        waiting = (
            f'for i in $(seq 120); do python -c "{ask}" 2>/dev/null && exit; sleep 1; done; exit 1'
        )
        code, said = running.exec_run(["sh", "-c", waiting])
        assert code == 0, running.logs().decode()
        assert b"dagster_webserver_version" in said
    finally:
        running.remove(force=True)
