"""DuckDB windows that people open on the catalogue."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from srft_assets.home import Home

COUNT = "SELECT count(*)::INTEGER FROM steps"

SESSION = """
import sys
import duckdb

connection = duckdb.connect(sys.argv[1])
print("open", flush=True)
for line in sys.stdin:
    try:
        print(connection.execute(line).fetchall(), flush=True)
    except duckdb.Error as error:
        print(repr(error), flush=True)
connection.close()
print("closed", flush=True)
"""


class Session:
    """Somebody's own DuckDB window, which opens the file for writing as the CLI does."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def ask(self, sql: str) -> str:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(sql + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def close(self) -> str:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.close()
        return self.process.stdout.readline().strip()


@contextmanager
def session(file: Path) -> Iterator[Session]:
    argv = [sys.executable, "-c", SESSION, str(file)]
    process = subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        assert process.stdout and process.stdout.readline() == "open\n"
        yield Session(process)
    finally:
        process.kill()
        process.wait()


def opened_by_people(home: Home, sql: str) -> list[tuple]:
    with duckdb.connect(home.catalogue) as connection:
        return connection.execute(sql).fetchall()
