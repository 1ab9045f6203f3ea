"""`srft doctor --shared`, on two hosts at once."""

import subprocess
from pathlib import Path

import pytest

from srft_assets.platform.shared_folder import file_system_of, is_network
from tests import postgres
from tests.cluster.hosts import Host, needs_namespaces

pytestmark = [pytest.mark.cluster, needs_namespaces]
on_a_disk = pytest.mark.parametrize("hosts", ["local"], indirect=True)
MAIN = "from srft_assets.cli import main; main()"
LIES = "import fcntl; fcntl.flock = lambda *_: None\n"
"""Stands for a mount that gives a lock to every host that asks."""


def both(*commands: subprocess.Popen[str]) -> list[tuple[int, str]]:
    """Exit code and output of each, on one line."""
    printed = [" ".join(command.communicate(timeout=200)[0].split()) for command in commands]
    return [(command.returncode, text) for command, text in zip(commands, printed, strict=True)]


def test_two_hosts_that_share_a_folder_and_a_database_may(hosts: tuple[Host, Host]) -> None:
    if postgres.PROGRAMS is None:
        pytest.skip(postgres.ABSENT)
    with postgres.server() as socket:
        env = {"SRFT_DATABASE": postgres.new_database(socket)}
        said = both(*(host.start("doctor", "--shared", **env) for host in hosts))
    for code, text in said:
        assert code == 0, text
        assert "locks yes exclude; that of a killed process was free after" in text
        assert "renames yes seen there, and another one here, within" in text
        assert "clocks yes at least 0.0 s apart" in text
        assert "database yes PostgreSQL" in text
        assert "node-a and node-b" in text or "node-b and node-a" in text
        assert "Two hosts can share" in text
    assert list(hosts[0].folder.glob("doctor/*")) == []


@on_a_disk
def test_a_folder_whose_locks_exclude_nobody_is_refused(hosts: tuple[Host, Host]) -> None:
    a, b = hosts
    for code, text in both(a.run(LIES + MAIN), b.run(LIES + MAIN)):
        assert code == 1
        assert "both hosts hold the same lock at the same time" in text
        assert "cannot be shared so: locks" in text


@on_a_disk
def test_hosts_of_two_databases_or_versions_are_refused(
    hosts: tuple[Host, Host], tmp_path: Path
) -> None:
    a, b = hosts
    other = {"SRFT_DATABASE": f"sqlite:///{tmp_path}/other.db"}
    lying = f"import srft_assets; srft_assets.__version__ = '0.0.1'\n{MAIN}"
    for code, text in both(a.start("doctor", "--shared"), b.run(lying, **other)):
        assert code == 1
        assert "srft no 0." in text and "install the same version on both" in text
        assert "cannot be shared so: srft" in text


@on_a_disk
def test_a_host_alone_says_what_it_waited_for(hosts: tuple[Host, Host]) -> None:
    short = "import srft_assets.platform.shared_folder as s; s.MEET_SECONDS = 1.0\n"
    ((code, text),) = both(hosts[0].run(short + MAIN))
    assert code == 1
    assert "no other host was seen in" in text and "run the same there at the same time" in text


def test_sqlite_on_a_network_folder_is_refused(tmp_path: Path) -> None:
    assert is_network("nfs4") and is_network("fuse.glusterfs") and is_network("fuse")
    assert not is_network("ext4") and not is_network(file_system_of(tmp_path))
