"""A node's side of a server that was started behind a prefix: `python -m … FOLDER`.

It takes a free port there, says in FOLDER where the server will answer, and becomes the server.
"""

import os
import socket
import sys
from pathlib import Path

import orjson
import psutil

from srft_assets.files import place
from srft_assets.serving import ServerSpec, program_of
from srft_assets.serving.server import free_port, with_path_to

SPEC, ADDRESS = "spec.json", "address.json"
KEY = "SRFT_SERVER_KEY"


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
