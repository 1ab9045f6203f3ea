"""Hosts on one machine: processes with a host name, process ids, mounts and a temporary folder of
their own, which share nothing but the folder of the home."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.chain.support import PROGRAM

UNSHARE = [
    *("unshare", "--uts", "--pid", "--ipc", "--mount", "--fork", "--kill-child", "--mount-proc"),
    *("sh", "-ec", 'hostname "$1"; mount --bind "$2" "$3"; shift 3; exec "$@"', "sh"),
]
"""Arguments follow: host name, folder, the place where it is mounted, and a command. SIGKILL to
unshare(1) ends all that runs there at once, as the loss of a node does."""

needs_namespaces = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("unshare") is None,
    reason="hosts are namespaces, which need root and unshare(1)",
)


@dataclass(frozen=True)
class Host:
    """A host. `mount`: where the folder of the home is seen there."""

    name: str
    folder: Path
    mount: Path

    def prefix(self) -> list[str]:
        """What comes before a command that shall run there."""
        self.mount.mkdir(parents=True, exist_ok=True)
        return [*UNSHARE, self.name, str(self.folder), str(self.mount)]

    def run(self, script: str, **environment: str) -> subprocess.Popen[str]:
        """`srft doctor --shared` there, after what the script does to it."""
        return self.start(
            "doctor", "--shared", program=(sys.executable, "-c", script), **environment
        )

    def start(
        self, *words: str, program: Sequence[str] = PROGRAM, **environment: str
    ) -> subprocess.Popen[str]:
        """`srft …` there, output together."""
        tmp = self.mount.parent / f"tmp-{self.name}"
        tmp.mkdir(parents=True, exist_ok=True)
        more = {"SRFT_HOME": str(self.mount), "TMPDIR": str(tmp), "COLUMNS": "200"}
        return subprocess.Popen(
            [*self.prefix(), *program, *words],
            env={**os.environ, **more, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def srft(self, *words: str, **environment: str) -> str:
        """Run it to its end; what it printed. Fails the test where it exits with an error."""
        process = self.start(*words, **environment)
        printed, _ = process.communicate(timeout=200)
        assert process.returncode == 0, printed
        return printed
