"""Start a server, wait until it answers, and end all of it."""

import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from srft_assets.errors import SrftError
from srft_assets.serving import guard
from srft_assets.serving.failure import NOT_INSTALLED, failure, last_line
from srft_assets.serving.probe import lacks
from srft_assets.serving.spec import ServerSpec, program_of

LOOK_SECONDS = 0.2
TELL_SECONDS = 10.0
LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Where a server that listens everywhere is asked."""


@dataclass(frozen=True, slots=True)
class Served:
    """A server that answers.

    Attributes:
        base_url: of its OpenAI-compatible API, up to `/v1`.
        api_key: of this start; None for a given server, whose key its user holds.
        process_id: of the server that we started; None for a given one.
        models: what requests may name as their model; empty where it is not known.
    """

    base_url: str
    api_key: str | None = field(default=None, repr=False)
    process_id: int | None = None
    models: tuple[str, ...] = ()


Serve = Callable[[], AbstractContextManager[Served]]
"""How a stage comes by a server, at the moment it needs one."""
Tell = Callable[[str], None]


@contextmanager
def serve(spec: ServerSpec, log: Path, tell: Tell = lambda line: None) -> Iterator[Served]:
    """A server of this process alone; its output is appended to `log`.

    It listens under a key made for this start. While it starts, `tell` hears every 10 s how it
    goes. On leaving it is ended with all that it started, and so it is when this process is
    killed. Raises SrftError with the last lines of its log and what to do, when it ends or does
    not answer within `spec.start_timeout`.
    """
    program = program_of(spec.command)
    if program is None:
        raise SrftError(f"{spec.command[0]} is not installed: {NOT_INSTALLED}")
    port = _free_port(spec)
    host = LOOPBACK.get(spec.host, spec.host)
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    key = secrets.token_urlsafe(32)
    argv = [program, *spec.argv(port)[1:]]
    with _guarded(spec, argv, key, log) as (process, server):
        _wait(spec, url, key, process, log, tell)
        yield Served(f"{url}/v1", key, server, spec.names)


def _free_port(spec: ServerSpec) -> int:
    """The port of the spec, or a free one. Raises SrftError where the address is not ours."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            spec.host, spec.port, type=socket.SOCK_STREAM
        )[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            return int(probe.getsockname()[1])
    except OSError as error:
        raise SrftError(
            f"cannot listen on {spec.host} port {spec.port}: {error.strerror}; "
            "port 0 takes a free one"
        ) from error


@contextmanager
def _guarded(
    spec: ServerSpec, argv: Sequence[str], key: str, log: Path
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The guard's process and the server's id; both processes have ended on leaving."""
    log.parent.mkdir(parents=True, exist_ok=True)
    ours, theirs = socket.socketpair()
    with closing(ours):
        with closing(theirs), log.open("ab") as output:
            log.chmod(0o600)
            process = subprocess.Popen(
                [
                    *(sys.executable, "-I", "-S", guard.__file__),
                    *(str(theirs.fileno()), str(os.getpid()), str(spec.stop_timeout)),
                    *argv,
                ],
                env=spec.environment(_with_path_to(argv[0]), key),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        try:
            yield process, int(ours.makefile("rb").readline() or 0)
        finally:
            ours.shutdown(socket.SHUT_RDWR)
            with suppress(subprocess.TimeoutExpired):
                process.wait(spec.stop_timeout + guard.KILL_SECONDS)


def _with_path_to(program: str) -> dict[str, str]:
    """Our environment, in which programs beside this one are found: vLLM compiles with `ninja`."""
    folder, path = str(Path(program).parent), os.environ.get("PATH", os.defpath)
    known = folder in path.split(os.pathsep)
    return {**os.environ, "PATH": path if known else f"{folder}{os.pathsep}{path}"}


def _wait(
    spec: ServerSpec,
    url: str,
    key: str,
    process: subprocess.Popen[bytes],
    log: Path,
    tell: Tell,
) -> None:
    """Return when the server answers and lists its models."""
    start = told = time.monotonic()
    while True:
        ended = process.poll()
        lacking = lacks(url, key, spec.names)
        now = time.monotonic()
        if ended is not None or (lacking and now - start > spec.start_timeout):
            raise SrftError(failure(spec, log, key, ended, now - start, lacking))
        if not lacking:
            return
        if now - told >= TELL_SECONDS:
            told = now
            tell(f"{spec.model} starts, {now - start:.0f} s: {last_line(log, key)}")
        time.sleep(LOOK_SECONDS)
