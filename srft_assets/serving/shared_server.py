"""One model server behind a prefix for all runs of a platform, whichever host they are on.

Each user holds a lock of its own in the server's folder on the home. The first one starts a keeper,
a process that neither its end nor a signal to it reaches: the keeper starts the server, says where
it answers and to which key, and ends it once no lock of a user is held, be they gone or killed.
"""

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Literal
from uuid import uuid4

from pydantic import BaseModel

from srft_assets.errors import SrftError
from srft_assets.files import place, private
from srft_assets.home import Home, current_home
from srft_assets.processes.child import python
from srft_assets.processes.launch import places
from srft_assets.processes.locks import exclusive, is_held
from srft_assets.serving import ServerSpec
from srft_assets.serving.node_server import serve_behind
from srft_assets.serving.server import TELL_SECONDS, Served, Tell, ended, last_line

LOOK_SECONDS = 1.0
WANTED, STATE, DOOR, KEPT = "wanted.json", "state.json", "door.lock", "kept.lock"
"""DOOR: who looks whether there is a server, or ends it, is alone. KEPT: held by the keeper."""


class _Wanted(BaseModel):
    """What the keeper starts."""

    prefix: list[str]
    spec: ServerSpec


class _State(BaseModel):
    """What became of it. The file is for this account alone."""

    how: Literal["starts", "answers", "failed"]
    url: str = ""
    key: str = ""
    why: str = ""


@contextmanager
def shared_behind(
    prefix: Sequence[str], spec: ServerSpec, home: Home, tell: Tell
) -> Iterator[Served]:
    """The server of this spec behind this prefix; it goes on while anybody uses it.

    Raises SrftError with the last lines of its log where it does not start.
    """
    wanted = _Wanted(prefix=list(prefix), spec=spec)
    stated = wanted.model_dump_json().encode()
    name = hashlib.blake2b(stated, digest_size=6).hexdigest()
    folder, log = home.launches / "servers" / name, home.logs / f"critic-server-{name}.log"
    user = folder / "users" / f"{uuid4().hex}.lock"
    with exclusive(user):
        try:
            with exclusive(folder / DOOR, tell=tell):
                if not is_held(folder / KEPT):
                    place(folder / WANTED, stated)
                    _start_keeper(home, folder, log)
            state = _answering(folder, spec, log, tell)
            lives = partial(is_held, folder / KEPT)
            yield Served(state.url, state.key, None, spec.names, lives)
        finally:
            user.unlink(missing_ok=True)


def _start_keeper(home: Home, folder: Path, log: Path) -> None:
    """Returns once it is there."""
    place(folder / STATE, _State(how="starts").model_dump_json().encode())
    private(log.parent)
    with log.open("ab") as output:
        log.chmod(0o600)
        output.truncate(0)  # an earlier start's error would explain this one
        keeper = subprocess.Popen(
            python(__name__, str(folder), str(log)),
            env={**os.environ, **places(home)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    while not is_held(folder / KEPT) and keeper.poll() is None:
        time.sleep(LOOK_SECONDS / 10)


def _answering(folder: Path, spec: ServerSpec, log: Path, tell: Tell) -> _State:
    """Wait until it answers."""
    start = told = time.monotonic()
    while (state := _state(folder)).how == "starts" and is_held(folder / KEPT):
        if (now := time.monotonic()) - told >= TELL_SECONDS:
            told = now
            tell(f"{spec.model} starts, {now - start:.0f} s: {last_line(log, '')}")
        time.sleep(LOOK_SECONDS / 5)
    if (state := _state(folder)).how != "answers":
        raise SrftError(state.why or f"what was to start {spec.model} was killed: see {log}")
    return state


def _state(folder: Path) -> _State:
    return _State.model_validate_json((folder / STATE).read_bytes())


def _used(folder: Path) -> bool:
    """Whether anybody lives who uses it; what killed users left is removed."""
    for lock in (folder / "users").glob("*.lock"):
        with exclusive(lock, wait=False) as alone:
            if not alone:
                return True
            lock.unlink(missing_ok=True)
    return False


def keep(folder: Path, log: Path) -> None:
    """Keep the server of a folder until its last user is gone, or it ends."""

    def say(state: _State) -> None:
        place(folder / STATE, state.model_dump_json().encode())

    def heard(line: str) -> None:
        if not _used(folder):
            raise SrftError("nobody waits for it any more")

    with ExitStack() as door, exclusive(folder / KEPT):
        wanted = _Wanted.model_validate_json((folder / WANTED).read_bytes())
        try:
            with serve_behind(wanted.prefix, wanted.spec, current_home(), log, heard) as served:
                say(_State(how="answers", url=served.base_url, key=served.api_key or ""))
                while not ended(served):
                    time.sleep(LOOK_SECONDS)
                    # Nobody comes in until it has ended.
                    alone = door.enter_context(exclusive(folder / DOOR, wait=False))
                    if alone and not _used(folder):
                        break
                    door.close()
        except SrftError as error:
            say(_State(how="failed", why=str(error)))
        else:
            say(_State(how="failed", why=f"{wanted.spec.model} ended: the same command starts it"))


if __name__ == "__main__":
    keep(Path(sys.argv[1]), Path(sys.argv[2]))
