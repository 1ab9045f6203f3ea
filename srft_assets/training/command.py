"""How a training is started: the command line and environment of its processes."""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

MAIN = "srft_assets.training.main"
Launcher = Literal["python", "torchrun", "accelerate"]


@dataclass(frozen=True, slots=True)
class Command:
    """One training as a command.

    Attributes:
        launcher: what starts the processes.
        processes: how many on each machine.
        arguments: further arguments of the launcher.
        prefix: what comes before the launcher, such as `srun --nodes 2`.
    """

    launcher: Launcher = "python"
    processes: int = 1
    arguments: Sequence[str] = ()
    prefix: Sequence[str] = ()

    def argv(self, job: Path) -> list[str]:
        """The command line that trains the job of this file."""
        main = ["-m", MAIN, str(job)]
        return [*self.prefix, sys.executable, *self._start(), *main]

    def env(self) -> dict[str, str]:
        """What to add to the environment: the cores are shared out to the processes, and none of
        them, launchers' workers included, takes a module from the current folder.
        """
        safe = {"PYTHONSAFEPATH": "1"}
        if self.processes == 1 or "OMP_NUM_THREADS" in os.environ:
            return safe
        cores = len(os.sched_getaffinity(0))
        return safe | {"OMP_NUM_THREADS": str(max(1, cores // self.processes))}

    def _start(self) -> list[str]:
        count = str(self.processes)
        if self.launcher == "torchrun":
            meeting = [] if _names(self.arguments, "rdzv", "master") else ["--standalone"]
            module = ["-m", "torch.distributed.run", *meeting, "--nproc-per-node", count]
            return [*module, *self.arguments]
        if self.launcher == "accelerate":
            return [*self._accelerate(), *self.arguments]
        return []

    def _accelerate(self) -> list[str]:
        """Nothing is taken from a default file of this machine, only from a stated one."""
        module = ["-m", "accelerate.commands.launch", "--num_processes", str(self.processes)]
        if _names(self.arguments, "config_file"):
            return module
        several = ["--multi_gpu", "--main_process_port", "0"] if self.processes > 1 else []
        plain = ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
        return [*module, *plain, *several]


def _names(arguments: Sequence[str], *words: str) -> bool:
    """Whether an option of these is among the arguments, with either dash in its name."""
    options = [word.lstrip("-").replace("-", "_") for word in arguments if word.startswith("-")]
    return any(option.startswith(words) for option in options)
