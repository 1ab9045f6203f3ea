"""A SLURM cluster of the tests' own: Debian's programs, two namespaces as nodes, no real GPU."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from socket import gethostname, socket
from tempfile import TemporaryDirectory

import pytest

PROGRAMS = ("munged", "slurmctld", "slurmd", "srun")
needs_slurm = pytest.mark.skipif(
    os.geteuid() != 0 or not all(shutil.which(name) for name in PROGRAMS),
    reason="SLURM's nodes need root and: apt-get install slurm-wlm munge",
)
SETTINGS = """
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmctldPort={port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CryptoType=crypto/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
GresTypes=gpu
ReturnToService=2
SlurmdTimeout=10
MessageTimeout=5
KillWait=5
MpiDefault=none
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
NodeName=DEFAULT CPUs={cpus} State=UNKNOWN
NodeName=node-a NodeHostname={host} NodeAddr=127.0.0.1 Port={port_a}
NodeName=node-b NodeHostname={host} NodeAddr=127.0.0.1 Port={port_b} Gres=gpu:1
PartitionName=cpu Nodes=node-a Default=YES MaxTime=INFINITE State=UP
PartitionName=gpu Nodes=node-b MaxTime=INFINITE State=UP
"""
NODE = ("unshare", "--uts", "--pid", "--mount", "--fork", "--kill-child", "--mount-proc")


@dataclass
class Cluster:
    """A cluster. `env`: what its programs need in the environment."""

    folder: Path
    env: dict[str, str]
    nodes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str) -> None:
        """Bring a node up."""
        script = 'hostname "$1"; exec slurmd -D -N "$1"'
        self.nodes[name] = self._started([*NODE, "sh", "-ec", script, "sh", name])

    def lose(self, name: str) -> None:
        """SIGKILL to all that runs on a node."""
        self.nodes[name].kill()
        self.nodes[name].wait()

    def said(self, *words: str) -> str:
        """What a command of the cluster prints."""
        done = subprocess.run(words, env={**os.environ, **self.env}, capture_output=True, text=True)
        return done.stdout + done.stderr

    def wait(self, name: str) -> None:
        """Until a node takes work."""
        until = time.monotonic() + 60
        while "idle" not in (told := self.said("sinfo", "-h", "-n", name, "-o", "%T")):
            assert time.monotonic() < until, told + self.logs()
            time.sleep(0.2)

    def logs(self) -> str:
        """The ends of all logs."""
        return "\n".join(path.read_text()[-1500:] for path in self.folder.glob("*.log"))

    def _started(self, argv: list[str]) -> subprocess.Popen[bytes]:
        with (self.folder / "output.log").open("ab") as output:
            return subprocess.Popen(
                argv,
                env={**os.environ, **self.env},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )


@contextmanager
def cluster() -> Iterator[Cluster]:
    """Partitions `cpu` with node-a and `gpu` with node-b, which has one GPU. It ends with the
    block."""
    with TemporaryDirectory(prefix="srft-slurm-") as held, ExitStack() as ends:
        folder = Path(held)
        folder.chmod(0o755)
        (folder / "state").mkdir()
        ports = _free_ports(3)
        told = SETTINGS.format(
            host=gethostname(),
            folder=folder,
            cpus=os.cpu_count(),
            **dict(zip(("port", "port_a", "port_b"), ports, strict=True)),
        )
        (folder / "slurm.conf").write_text(told)
        (folder / "gres.conf").write_text("NodeName=node-b Name=gpu File=/dev/null\n")
        made = Cluster(folder, {"SLURM_CONF": str(folder / "slurm.conf")})
        key = folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        names = {"socket": "munge.socket", "pid-file": "munge.pid", "log-file": "munged.log"}
        files = [f"--{option}={folder / name}" for option, name in names.items()]
        seed = f"--seed-file={folder / 'munge.seed'}"
        for argv in (
            ["munged", "--foreground", "--force", f"--key-file={key}", seed, *files],
            ["slurmctld", "-D"],
        ):
            process = made._started(argv)
            ends.callback(process.wait)
            ends.callback(process.terminate)
        for name in ("node-a", "node-b"):
            made.start(name)
        ends.callback(lambda: [made.lose(name) for name in made.nodes])
        for name in made.nodes:
            made.wait(name)
        yield made


def _free_ports(count: int) -> list[int]:
    sockets = [socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
