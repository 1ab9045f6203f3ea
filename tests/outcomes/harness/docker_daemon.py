"""A Docker daemon for tests: one that runs, else one that is started here and stopped after."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import docker
from docker.errors import DockerException, ImageNotFound
from filelock import FileLock

BASE = "srft-test-base:1"
"""Has git, patch and Python: made by debootstrap, else a public image where one can be pulled."""
PUBLIC = "python:3.12-bookworm"
PACKAGES = ("docker.io", "iptables", "debootstrap")
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "srft-test-docker"
START_SECONDS = 60


class NoDaemonError(Exception):
    """Why there is none."""


@contextmanager
def docker_daemon() -> Iterator[str]:
    """The DOCKER_HOST of a daemon that has `BASE`. Raises NoDaemonError.

    A daemon started here keeps its images in `CACHE`, which one test process uses at a time.
    """
    running = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if _answers(running):
        _ensure_base(running)
        _try_out(running)
        yield running
        return
    _ensure_installed()
    CACHE.mkdir(parents=True, exist_ok=True)
    with FileLock(CACHE / "lock"):
        socket = f"unix://{CACHE}/docker.sock"
        process = _started(socket)
        try:
            _wait(socket, process)
            _ensure_base(socket)
            _try_out(socket)
            yield socket
        finally:
            process.terminate()
            process.wait(60)


def _answers(host: str) -> bool:
    try:
        client = docker.DockerClient(base_url=host, timeout=10)
        client.ping()
    except DockerException:
        return False
    client.close()
    return True


def _ensure_installed() -> None:
    if os.geteuid() != 0:
        raise NoDaemonError("no Docker daemon runs, and only root can start one")
    if shutil.which("dockerd"):
        return
    if not (os.environ.get("CI") or os.environ.get("SRFT_TEST_DOCKER") == "1"):
        raise NoDaemonError("no dockerd is installed; SRFT_TEST_DOCKER=1 installs it (Debian)")
    if not shutil.which("apt-get"):
        raise NoDaemonError("no dockerd is installed, and this is no Debian")
    _run(["apt-get", "update", "-qq"], 300)
    _run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *PACKAGES], 300)


def _started(socket: str) -> "subprocess.Popen[bytes]":
    with (CACHE / "dockerd.log").open("wb") as log:
        return subprocess.Popen(
            [
                "dockerd",
                f"--data-root={CACHE}/data",
                f"--exec-root={CACHE}/exec",
                f"--pidfile={CACHE}/pid",
                f"--host={socket}",
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _wait(socket: str, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + START_SECONDS
    while not _answers(socket):
        if process.poll() is not None or time.monotonic() > until:
            process.kill()
            said = (CACHE / "dockerd.log").read_text(errors="replace").strip().splitlines()
            raise NoDaemonError(f"dockerd does not start here: {said[-1] if said else 'silent'}")
        time.sleep(0.2)


def _ensure_base(host: str) -> None:
    client = docker.DockerClient(base_url=host, timeout=600)
    try:
        client.images.get(BASE)
    except ImageNotFound:
        if shutil.which("debootstrap") and os.geteuid() == 0:
            _bootstrap(client)
        else:
            _pull(client)
    finally:
        client.close()


def _try_out(host: str) -> None:
    """A daemon may answer and still be unable to start a container, itself being in one."""
    client = docker.DockerClient(base_url=host, timeout=120)
    try:
        client.containers.run(BASE, ["true"], network_mode="none", remove=True)
    except DockerException as error:
        raise NoDaemonError(f"Docker starts no container here: {error}") from None
    finally:
        client.close()


def _bootstrap(client: Any) -> None:
    rootfs = CACHE / "rootfs"
    # Where it was killed, debootstrap leaves /proc mounted there.
    subprocess.run(["umount", "--quiet", str(rootfs / "proc")], capture_output=True)
    shutil.rmtree(rootfs, ignore_errors=True)
    CACHE.mkdir(parents=True, exist_ok=True)
    include = "--include=git,python3,patch"
    mirror = "http://deb.debian.org/debian"
    _run(["debootstrap", "--variant=minbase", include, "bookworm", str(rootfs), mirror], 400)
    name, _, tag = BASE.partition(":")
    archive = rootfs.with_suffix(".tar")
    _run(["tar", "-C", str(rootfs), "-cf", str(archive), "."], 300)
    client.api.import_image_from_file(str(archive), repository=name, tag=tag)
    archive.unlink()
    shutil.rmtree(rootfs)


def _pull(client: Any) -> None:
    try:
        client.images.pull(*PUBLIC.split(":")).tag(*BASE.split(":"))
    except DockerException as error:
        raise NoDaemonError(f"no base image: {PUBLIC} cannot be pulled ({error})") from None


def _run(argv: list[str], seconds: float) -> None:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        raise NoDaemonError(f"{argv[0]} took more than {seconds:g} s") from None
    if done.returncode:
        raise NoDaemonError(f"{argv[0]} failed: {done.stderr.strip()[-300:]}")
