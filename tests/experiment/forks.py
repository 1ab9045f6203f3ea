"""Subprocesses of the platform, forked from one that holds the heavy libraries already.

An import of torch and TRL takes longer than a tiny training or evaluation; here it is paid once.
"""

import json
import os
import runpy
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

ENDED = "ended with "


class Forks:
    """Stands in for `training.process.launch`. A context manager."""

    def __init__(self, log: Path) -> None:
        with log.open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-P", __file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def __enter__(self) -> "Forks":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()

    def launch(
        self, argv: Sequence[str], env: Mapping[str, str], on_line: Callable[[str], None]
    ) -> None:
        """`python … -m module arguments`, to its end."""
        stated = {"argv": argv[argv.index("-m") + 1 :], "env": {**os.environ, **env}}
        self.process.stdin.write(json.dumps(stated) + "\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith(ENDED):
                assert line == f"{ENDED}0\n", argv
                return
            on_line(line.rstrip())
        raise AssertionError(f"the process that forks ended before {argv} did")


def main() -> None:
    """Fork for each line of standard input."""
    from srft_assets.processes.child import quiet

    quiet(HF_HUB_OFFLINE="1")
    import peft  # noqa: F401
    import trl
    from matplotlib import pyplot  # noqa: F401

    import srft_assets.rollouts.evaluation
    import srft_assets.training.main  # noqa: F401
    from srft_assets.agent.play import prepare_mini

    trl.SFTTrainer  # noqa: B018  (a lazy module: this is the import)
    prepare_mini()
    for line in sys.stdin:
        stated = json.loads(line)
        child = os.fork()
        if child == 0:
            os.environ.update(stated["env"])
            sys.argv = stated["argv"]
            runpy.run_module(sys.argv[0], run_name="__main__")
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(f"\n{ENDED}{code}", flush=True)


if __name__ == "__main__":
    main()
