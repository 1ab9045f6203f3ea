"""A model server on another node: started behind a prefix, asked over the network.

The node's side is `python -m srft_assets.serving.node_server FOLDER`: it takes a free port there,
says in FOLDER where the server will answer, and becomes the server.
"""

import os
import secrets
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import orjson
import psutil

from srft_assets.files import place, private
from srft_assets.home import Home
from srft_assets.processes.child import python
from srft_assets.processes.guard import guarded
from srft_assets.processes.launch import command_behind, job_folder, places
from srft_assets.serving import ServerSpec, program_of
from srft_assets.serving.server import Served, Tell, free_port, wait_for, with_path_to

SPEC, ADDRESS = "spec.json", "address.json"
KEY = "SRFT_SERVER_KEY"


@contextmanager
def serve_behind(
    prefix: Sequence[str], spec: ServerSpec, home: Home, log: Path, tell: Tell
) -> Iterator[Served]:
    """As `serving.server.serve`, on the node that the prefix takes it to.

    It listens there on all addresses, under a key made for this start. The node ends it when we
    leave, or are killed. Raises SrftError as `serve`.
    """
    spec = spec.model_copy(update={"host": "0.0.0.0"})
    key = secrets.token_urlsafe(32)
    private(log.parent)
    with job_folder(home.launches) as folder, log.open("ab") as output:
        log.chmod(0o600)
        place(folder / SPEC, spec.model_dump_json().encode())
        work = python(__name__, str(folder))
        command = command_behind(prefix, work, {KEY: key, **places(home)}, folder)
        with guarded(command, spec.stop_timeout, os.environ, stdout=output) as (process, _):
            url = wait_for(spec, partial(urls_in, folder), key, process, log, tell)
            yield Served(f"{url}/v1", key, process.pid, spec.names)


def addresses() -> list[str]:
    """Names of this host by which others may reach it, the likeliest first."""
    found = [socket.gethostname()]
    for of_device in psutil.net_if_addrs().values():
        found += [one.address for one in of_device if one.family is socket.AF_INET]
    return [one for one in found if not one.startswith("127.")]


def urls_in(folder: Path) -> list[str]:
    """Where the server of this folder may answer; none before it has a port."""
    try:
        told = orjson.loads((folder / ADDRESS).read_bytes())
    except FileNotFoundError:
        return []
    return [f"http://{host}:{told['port']}" for host in told["hosts"]]


def main(folder: Path) -> None:
    """Become the server. Raises SrftError where its port is taken."""
    spec, key = ServerSpec.model_validate_json((folder / SPEC).read_bytes()), os.environ.pop(KEY)
    program = program_of(spec.command)
    if program is None:
        print(f"error: {spec.command[0]} is not installed on {socket.gethostname()}", flush=True)
        sys.exit(1)
    port = free_port(spec)
    place(folder / ADDRESS, orjson.dumps({"hosts": addresses(), "port": port}))
    argv = [program, *spec.argv(port)[1:]]
    os.execve(program, argv, spec.environment(with_path_to(program), key))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
