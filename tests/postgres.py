"""A PostgreSQL server of the tests' own: Debian's programs on a Unix socket, no network."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

PROGRAMS = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)
ABSENT = "PostgreSQL is not installed: apt-get install postgresql"
_NUMBERS = count()


@contextmanager
def server() -> Iterator[str]:
    """The folder of its socket. It ends with the block; started by root, it runs as `postgres`."""
    assert PROGRAMS is not None, ABSENT
    with TemporaryDirectory(prefix="srft-pg-", ignore_cleanup_errors=True) as held:
        folder = Path(held)
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
        data = folder / "data"
        _run("initdb", "-D", data, "-U", "srft", "--auth", "trust", "--no-sync")
        told = f"-k {folder} -c listen_addresses= -c shared_buffers=16MB"
        _run("pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", told, "start")
        try:
            yield str(folder)
        finally:
            _run("pg_ctl", "-D", data, "-m", "immediate", "stop")


def new_database(socket: str) -> str:
    """The URL of an empty database."""
    name = f"srft{os.getpid()}_{next(_NUMBERS)}"
    _run("createdb", "-h", socket, "-U", "srft", name)
    return f"postgresql+psycopg2://srft@/{name}?host={socket}"


def _run(program: str, *words: object) -> None:
    user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    argv = [*user, str(PROGRAMS / program), *map(str, words)]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd="/")
    assert done.returncode == 0, done.stderr
