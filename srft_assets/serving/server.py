"""A model server: started, asked until it is ready, shared in a run, ended with all it started."""

import json
import os
import re
import secrets
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

from srft_assets.errors import SrftError
from srft_assets.files import private
from srft_assets.processes.guard import NOT_FOUND, guarded
from srft_assets.serving import ServerSpec, program_of
from srft_assets.text import printable

LOOK_SECONDS = 0.2
TELL_SECONDS = 10.0
PROBE_SECONDS = 5.0
DIRECT = build_opener(ProxyHandler({}))
"""A proxy of the environment is not the way to a server on this machine."""
LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Where a server that listens everywhere is asked."""
TAIL_LINES = 20
SEARCHED_BYTES = 200_000
"""Of the log's end; the error that counts may stand before a long traceback."""
CAUSE_CHARS = 300
HARMLESS = re.compile(r"\b(INFO|WARNING|DEBUG) \d\d-\d\d ")
"""vLLM's log lines; a warning may quote an error that did not happen."""
ERROR = re.compile(
    r"[A-Z]\w*(Error|Exception): (?!\d+ validation error).*|Value error, .*|error: .*"
)
NOT_INSTALLED = (
    'pip install "srft-assets[vllm]", or state the `command` of another environment, '
    "or the URL of a running server"
)
HINTS = (
    (
        r"larger than the available KV cache|No available memory for the cache blocks",
        "too little memory beside the weights: lower max_model_len, raise gpu_memory_utilization "
        "or tensor_parallel_size",
    ),
    (
        r"out of memory|OutOfMemoryError|MemoryError|can't allocate memory"
        r"|less than desired [CG]PU memory utilization",
        "out of memory: lower gpu_memory_utilization or max_model_len, "
        "raise tensor_parallel_size, or end what else uses the memory",
    ),
    (r"[Aa]ddress already in use", "the port is taken: port 0 takes a free one"),
    (
        r"No module named '?vllm\b|No package metadata was found for vllm",
        f"vLLM is not installed there: {NOT_INSTALLED}",
    ),
    (
        r"not a valid model identifier|Invalid repository ID|RepositoryNotFound|GatedRepo"
        r"|LocalEntryNotFound|Repo id must|couldn't connect to",
        "unknown model: state a local folder or a Hub id (HF_TOKEN for one behind a gate)",
    ),
    (
        r"greater than the derived max_model_len",
        "the model's context is shorter: lower max_model_len",
    ),
    (r"World size .* is larger than", "fewer GPUs than that: lower tensor_parallel_size"),
    (r"unrecognized arguments|invalid choice", "this vLLM does not know the argument"),
)


@dataclass(frozen=True, slots=True)
class Served:
    """A server that answers.

    Attributes:
        base_url: of its OpenAI-compatible API, up to `/v1`.
        api_key: of this start; None for a given server, whose key its user holds.
        process_id: of the server that we started; None for another.
        models: what requests may name as their model; empty where it is not known.
        lives: whether one that several share is still there; None for another.
    """

    base_url: str = field(repr=False)
    api_key: str | None = field(default=None, repr=False)
    process_id: int | None = None
    models: tuple[str, ...] = ()
    lives: Callable[[], bool] | None = field(default=None, repr=False)


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
    port = free_port(spec)
    host = LOOPBACK.get(spec.host, spec.host)
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    key = secrets.token_urlsafe(32)
    argv = [program, *spec.argv(port)[1:]]
    env = spec.environment(with_path_to(program), key)
    private(log.parent)
    with log.open("ab") as output:
        log.chmod(0o600)
        with guarded(argv, spec.stop_timeout, env, stdout=output) as (process, channel):
            server = int(channel.makefile("rb").readline() or 0)
            wait_for(spec, lambda: [url], key, process, log, tell)
            yield Served(f"{url}/v1", key, server, spec.names)


def free_port(spec: ServerSpec) -> int:
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


def with_path_to(program: str) -> dict[str, str]:
    """Our environment, in which programs beside this one are found: vLLM compiles with `ninja`."""
    folder, path = str(Path(program).parent), os.environ.get("PATH", os.defpath)
    known = folder in path.split(os.pathsep)
    return {**os.environ, "PATH": path if known else f"{folder}{os.pathsep}{path}"}


def wait_for(
    spec: ServerSpec,
    urls: Callable[[], Sequence[str]],
    key: str,
    process: subprocess.Popen[bytes],
    log: Path,
    tell: Tell,
) -> str:
    """The first of the URLs, without `/v1`, at which the server answers and lists its models.

    Raises SrftError where its process ends, or that takes too long. Until it has a URL, it waits in
    a queue for a node, which takes as long as it does.
    """
    start = placed = told = time.monotonic()
    lacking = "no address yet"
    while True:
        ended = process.poll()
        found = urls()
        for url in found:
            lacking = lacks(url, key, spec.names)
            if not lacking:
                return url
        now = time.monotonic()
        if not found:
            placed = now
        if ended is not None or now - placed > spec.start_timeout:
            seconds = now - (placed if ended is None else start)
            raise SrftError(failure(spec, log, key, ended, seconds, lacking))
        if now - told >= TELL_SECONDS:
            told = now
            does = "starts" if found else "waits for a node"
            tell(f"{spec.model} {does}, {now - start:.0f} s: {last_line(log, key)}")
        time.sleep(LOOK_SECONDS)


def failure(
    spec: ServerSpec, log: Path, secret: str, ended: int | None, seconds: float, lacking: str
) -> str:
    """What to tell of a start that failed: how, a hint, and the end of the log.

    `ended` is the server's exit code, 128 + the signal that ended it; None while it runs.
    """
    lines = _lines(log, secret)
    if ended is None:
        how = f"does not answer after {seconds:.0f} s ({lacking})"
        hint = "give it more start_timeout"
    else:
        how = f"{_end(ended)} after {seconds:.0f} s"
        hint = "perhaps the system wanted memory" if ended == 128 + signal.SIGKILL else ""
    line, known = _cause(lines)
    said = "; ".join(part for part in (line[:CAUSE_CHARS], known or hint) if part)
    said = f"the server of {spec.model} {how}" + (f": {said}" if said else "")
    tail = "\n".join(lines[-TAIL_LINES:]) or "(it printed nothing)"
    return f"{said}\n{log}:\n{tail}"


def last_line(log: Path, secret: str) -> str:
    """The last line of the log that says something."""
    lines = _lines(log, secret)
    return lines[-1] if lines else ""


def _end(code: int) -> str:
    if code == NOT_FOUND:
        return "could not be started"
    if code > 128:
        return f"was killed by {signal.Signals(code - 128).name}"
    return f"ended with exit code {code}"


def _cause(lines: Sequence[str]) -> tuple[str, str]:
    """The first line that states an error, and the hint for the first that is known.

    Those after it are its consequences: `Engine core initialization failed`.
    """
    grave = [line for line in lines if not HARMLESS.search(line)]
    stated = next((match[0] for line in grave if (match := ERROR.search(line))), "")
    known = (hint for line in grave for pattern, hint in HINTS if re.search(pattern, line))
    return stated, next(known, "")


def _lines(log: Path, secret: str) -> list[str]:
    """The last lines that are not blank, printable, without the secret."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - SEARCHED_BYTES))
        text = file.read().decode("utf-8", "replace")
    if secret:
        text = text.replace(secret, "***")
    # A progress bar writes its states over each other.
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in text.splitlines()]
    shown = [printable(line).rstrip() for line in lines]
    return [line for line in shown if line]


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
        if self._served is None or ended(self._served):
            self._stack.close()
            try:
                self._served = self._stack.enter_context(self._start())
            except SrftError as error:
                self._failure = error
                raise
        return self._served


def ended(served: Served) -> bool:
    """Whether a server of ours is gone, or dead and not yet taken note of by its guard."""
    import psutil

    if served.lives is not None:
        return not served.lives()
    if served.process_id is None:
        return False
    try:
        return psutil.Process(served.process_id).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
