"""One model server for two hosts: it ends with its last user, and with the host that started it."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from srft_assets.serving.server import lacks
from tests.cluster.hosts import Host, needs_namespaces
from tests.serving.conftest import MakeSpec, family, spec  # noqa: F401

pytestmark = [pytest.mark.cluster, needs_namespaces]
USER = """
import sys, time
from srft_assets.home import current_home
from srft_assets.serving import ServerSpec
from srft_assets.serving.server import SharedServer
from srft_assets.serving.shared_server import shared_behind
spec = ServerSpec.model_validate_json(sys.argv[1])
shared = SharedServer(lambda: shared_behind(["env"], spec, current_home(), print))
while True:
    with shared.open() as served:
        print("served", served.base_url.removesuffix("/v1"), served.api_key, flush=True)
    time.sleep(0.5)
"""


def served_to(user: subprocess.Popen[str]) -> tuple[str, str]:
    """URL and key of what it uses now."""
    assert user.stdout is not None
    told = next(line for line in user.stdout if line.startswith("served "))
    _, url, key = told.split()
    return url, key


def test_two_hosts_ask_one_server(
    hosts: tuple[Host, Host],
    spec: MakeSpec,  # noqa: F811
    tmp_path: Path,
) -> None:
    stated = spec()
    program = (sys.executable, "-c", USER, stated.model_dump_json())
    a = hosts[0].start(program=program)
    first = served_to(a)
    b = hosts[1].start(program=program)
    try:
        assert served_to(b) == first
        assert lacks(*first, stated.names) == ""
        a.kill()
        a.communicate()
        until = time.monotonic() + 120
        while (second := served_to(b)) == first:
            assert time.monotonic() < until
        assert lacks(*second, stated.names) == ""
    finally:
        b.kill()
        b.communicate()
    until = time.monotonic() + 60
    while lacks(*second, stated.names) == "":
        assert time.monotonic() < until, "it ends with its last user"
