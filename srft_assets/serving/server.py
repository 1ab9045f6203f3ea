"""A model server: started, asked until it is ready, shared in a run, ended with all it started."""

import json
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

from srft_assets.errors import SrftError
from srft_assets.serving import guard
from srft_assets.serving.failure import NOT_INSTALLED, failure, last_line
from srft_assets.serving.spec import ServerSpec, program_of

LOOK_SECONDS = 0.2
TELL_SECONDS = 10.0
PROBE_SECONDS = 5.0
DIRECT = build_opener(ProxyHandler({}))
"""A proxy of the environment is not the way to a server on this machine."""
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


def lacks(url: str, api_key: str, names: Sequence[str]) -> str:
    """What a server at `url` (without `/v1`) still lacks, in words; empty when it is ready.

    Ready means that `/health` answers 200 and `/v1/models` lists every one of `names`.
    """
    path = "/health"
    try:
        _get(url + path, api_key)
        path = "/v1/models"
        listed = [str(model["id"]) for model in json.loads(_get(url + path, api_key))["data"]]
    except HTTPError as error:
        return f"{path} answers {error.code}"
    except (OSError, HTTPException) as error:
        return f"no answer ({getattr(error, 'reason', error)})"
    except (ValueError, KeyError, TypeError):
        return f"{path} does not answer as an OpenAI-compatible API does"
    missing = [name for name in names if name not in listed]
    return f"{path} lists {', '.join(listed)}, not {', '.join(missing)}" if missing else ""


def _get(url: str, api_key: str) -> bytes:
    asked = Request(url, headers={"Authorization": f"Bearer {api_key}"})
    with DIRECT.open(asked, timeout=PROBE_SECONDS) as answer:
        content: bytes = answer.read()
    return content


class SharedServer:
    """Started when first asked for, ended by `close`.

    A server that ended in between is started again. One that could not be started is not tried
    again: the same would fail after as long a wait.
    """

    def __init__(self, start: Serve) -> None:
        self._start = start
        self._lock = threading.Lock()
        self._stack = ExitStack()
        self._served: Served | None = None
        self._failure: SrftError | None = None

    @contextmanager
    def open(self) -> Iterator[Served]:
        """The server; it goes on after leaving. Raises SrftError where it cannot be started."""
        with self._lock:
            served = self._running()
        yield served

    def close(self) -> None:
        """End the server, if it was started."""
        with self._lock:
            self._served = None
            self._stack.close()

    def _running(self) -> Served:
        if self._failure is not None:
            raise self._failure
        if self._served is None or _ended(self._served):
            self._stack.close()
            try:
                self._served = self._stack.enter_context(self._start())
            except SrftError as error:
                self._failure = error
                raise
        return self._served


def _ended(served: Served) -> bool:
    """Whether a server of ours is gone, or dead and not yet taken note of by its guard."""
    import psutil

    if served.process_id is None:
        return False
    try:
        return psutil.Process(served.process_id).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
