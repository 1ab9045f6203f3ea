"""mini-swe-agent, played: one run kept as a file, and many runs side by side."""

import importlib
import json
import math
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple, TypeVar

import orjson

from srft_assets.agent.protocol import INSTANCE, SYSTEM, SandboxEnvironment, working_copy
from srft_assets.errors import SrftError
from srft_assets.files import place
from srft_assets.outcomes.task import TaskInstance
from srft_assets.sandbox.model import Sandbox

INSTANCE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
SURROGATE = re.compile("[\ud800-\udfff]")
"""Half a surrogate pair: Python's strings and JSON's escapes can hold one, UTF-8 cannot."""
CONTEXT_LIMIT = "ContextLimit"
"""Exit status of a run whose chat outgrew the model's context."""
ENDS = frozenset(
    {"Submitted", "LimitsExceeded", "TimeExceeded", "RepeatedFormatError", CONTEXT_LIMIT}
)
"""Exit statuses of runs that came to an end of their own; all others crashed."""

_IMPORTING = Lock()
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Told:
    """What the agent is told, and when its run ends; mini-swe-agent's templates and limits.

    Attributes:
        steps: model calls; 0 for no limit.
        cost: USD, after which no further call is made; 0 for no limit.
        seconds: wall time of the run without what answers take; 0 for no limit.
    """

    system: str = SYSTEM
    instance: str = INSTANCE
    steps: int = 12
    cost: float = 0.0
    seconds: int = 0


class Play(NamedTuple):
    """One attempt at one task."""

    task: TaskInstance
    attempt: int = 0

    @property
    def name(self) -> str:
        """Distinct among the plays of a batch."""
        return f"{self.task.instance_id}#{self.attempt}"

    def folder(self, out: Path) -> Path:
        """Where the runs of this attempt lie: `out` itself for the first, else `attempt-<n>`."""
        return out / f"attempt-{self.attempt}" if self.attempt else out

    def path(self, out: Path) -> Path:
        """`<instance_id>.traj.json` in its folder. Raises SrftError for an id that is no name."""
        name = self.task.instance_id
        if not INSTANCE_ID.fullmatch(name):
            raise SrftError(f"instance id is no file name: {name[:80]!r}")
        return self.folder(out) / f"{name}.traj.json"


def plays_of(tasks: Sequence[TaskInstance], attempts: int) -> list[Play]:
    """All attempts at all tasks; every task is tried once before any is tried again."""
    return [Play(task, attempt) for attempt in range(attempts) for task in tasks]


def read_info(path: Path) -> dict[str, Any]:
    """`info` of a run file; empty where there is none yet, or it is no run file."""
    try:
        info = orjson.loads(path.read_bytes())["info"]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return {}
    return info if isinstance(info, dict) else {}


def missing(out: Path, plays: Sequence[Play]) -> list[Play]:
    """Plays without a run that came to its own end; such a run is never played again."""
    return [play for play in plays if read_info(play.path(out)).get("exit_status") not in ENDS]


Scene = tuple[Any, Told]
"""An environment of mini-swe-agent's protocol, and what the agent is told there."""


def play_all(
    plays: Sequence[Play],
    model_of: Callable[[Play], AbstractContextManager[Any]],
    scene_of: Callable[[Play], AbstractContextManager[Scene]],
    out: Path,
    ended: Callable[[Play, Exception | None], T],
    workers: int,
    secrets: Sequence[str] = (),
) -> Iterator[T]:
    """Play side by side, `workers` at a time, each to its file below `out` (see `play_in`).

    A play has its model (of mini-swe-agent's protocol) and its scene for as long as it goes on.
    Yields what `ended` makes of each, in the order in which they end; it is called in the play's
    thread, with the exception that ended the play, if any. What it raises goes on, after the plays
    that have begun are over.
    """

    def one(play: Play) -> T:
        failure = None
        try:
            with model_of(play) as model, scene_of(play) as (environment, told):
                play_in(environment, play.task, model, play.path(out), told, secrets)
        except Exception as error:  # noqa: BLE001 `ended` decides what becomes of the others
            failure = error
        return ended(play, failure)

    pool = ThreadPoolExecutor(workers, thread_name_prefix="play")
    try:
        for done in as_completed([pool.submit(one, play) for play in plays]):
            yield done.result()
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def sandboxed(play: Play, sandbox: Sandbox, seconds: float, told: Told) -> Iterator[Scene]:
    """A working copy of the task's repository in the sandbox; `seconds`: of one command."""
    with working_copy(play.task) as workdir, sandbox.entered(workdir) as inside:
        yield SandboxEnvironment(inside, workdir, timeout=seconds), told


def play_in(
    environment: Any,
    task: TaskInstance,
    model: Any,
    target: Path,
    told: Told,
    secrets: Sequence[str] = (),
) -> None:
    """Run mini-swe-agent's DefaultAgent; keep the run whole, in its format mini-swe-agent-1.1.

    How long a server takes for its answers is none of the model's doing, and not in its seconds.
    A run that crashes is kept too, with the exception's name as exit status, and the exception goes
    on; an interrupted one (KeyboardInterrupt) leaves no file. Never written are `secrets`, wherever
    they stand, and what strict readers of JSON refuse: a file that cannot be read counts as a run
    that was not played.
    """
    prepare_mini()
    from minisweagent.agents.default import DefaultAgent

    agent = DefaultAgent(
        model,
        environment,
        system_template=told.system,
        instance_template=told.instance,
        step_limit=told.steps,
        cost_limit=told.cost,
        wall_time_limit_seconds=told.seconds,
    )
    ask = agent.query

    def query() -> Any:
        asked = time.time()
        try:
            return ask()
        finally:
            agent._start_time += time.time() - asked

    agent.query = query  # type: ignore[method-assign]  # a subclass would change the run file
    try:
        agent.run(task.problem_statement)
    finally:
        if agent.messages and agent.messages[-1].get("role") == "exit":
            run = agent.save(None, {"instance_id": task.instance_id})
            text = json.dumps(readable(run), indent=2)
            for secret in filter(None, secrets):
                text = text.replace(json.dumps(secret)[1:-1], "***")
            place(target, text.encode())


def prepare_mini() -> None:
    """Import `minisweagent` quietly; call it before any other import from that package.

    On import it prints a banner, makes a folder below `$HOME` and loads a `.env` file from there
    into the environment. It is given an empty folder that lives only during the import.
    """
    with _IMPORTING:
        if "minisweagent" in sys.modules:
            return
        os.environ.setdefault("MSWEA_SILENT_STARTUP", "1")
        os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
        stated = os.environ.get("MSWEA_GLOBAL_CONFIG_DIR")
        with tempfile.TemporaryDirectory(prefix="srft-mini-") as empty:
            os.environ["MSWEA_GLOBAL_CONFIG_DIR"] = stated or empty
            importlib.import_module("minisweagent.agents.default")
        if stated is None:
            del os.environ["MSWEA_GLOBAL_CONFIG_DIR"]


def readable(value: Any) -> Any:
    """A copy of a JSON value as RFC 8259 knows them: half a surrogate pair becomes U+FFFD, NaN and
    the infinities None.
    """
    if isinstance(value, str):
        return SURROGATE.sub("\ufffd", value)
    if isinstance(value, dict):
        return {readable(key): readable(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [readable(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def context_limit(tokens: int, room: int | None) -> Exception:
    """minisweagent's InterruptAgentFlow, which ends a run with the exit status `ContextLimit`."""
    from minisweagent.exceptions import InterruptAgentFlow

    extra = {"exit_status": CONTEXT_LIMIT, "submission": ""}
    told = f"{tokens} tokens" + ("" if room is None else f", {room} fit")
    return InterruptAgentFlow({"role": "exit", "content": told, "extra": extra})
