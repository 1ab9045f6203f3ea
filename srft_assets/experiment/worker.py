"""`python -m srft_assets.experiment.worker bench.json`: runs cells, one after the other.

Standard input is a cell a line, as JSON; standard output is JSON lines, `{"doing": "train",
"done": 3, "of": 120}` and, after each cell, `{"finished": true}`. When standard input ends the
process ends too, whatever it is doing: its parent is gone.
"""

import os
import sys
import threading
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import orjson
from pydantic import BaseModel

from srft_assets.child import quiet
from srft_assets.errors import SrftError
from srft_assets.experiment.design import Cell, Form
from srft_assets.home import Home
from srft_assets.lab.regime import Regime


class BenchFile(BaseModel):
    """What a worker is told once."""

    root: Path
    batch: str
    regime: Regime
    form: Form
    fixed: str
    """`Bench.fixed` of the parent."""


def main(arguments: list[str]) -> int:
    """Exit code: 0 done, 1 failed."""
    quiet(HF_HUB_OFFLINE="1", OMP_NUM_THREADS="1", CUDA_VISIBLE_DEVICES="")
    stated = BenchFile.model_validate_json(Path(arguments[0]).read_bytes())
    waiting: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=_listen, args=(waiting,), daemon=True).start()
    try:
        _work(stated, waiting)
    except (SrftError, OSError, RuntimeError, ValueError) as error:
        sys.stderr.write(f"error: {' '.join(str(error).split())}\n")
        return 1
    return 0


def _listen(waiting: "SimpleQueue[bytes]") -> None:
    for line in sys.stdin.buffer:
        waiting.put(line)
    os._exit(0)


def _work(stated: BenchFile, waiting: "SimpleQueue[bytes]") -> None:
    import torch

    from srft_assets.agent.mini import prepare_mini
    from srft_assets.experiment.bench import Bench
    from srft_assets.experiment.cell import run_cell
    from srft_assets.experiment.data import Data

    torch.set_num_threads(1)
    prepare_mini()
    bench = Bench(Data(Home(stated.root), stated.batch), stated.regime, stated.form)
    if bench.fixed != stated.fixed:
        raise SrftError("code or data changed since the command was started: start it again")
    while True:
        cell = Cell.model_validate_json(waiting.get())
        run_cell(cell, bench, lambda doing, done, of: _say(doing=doing, done=done, of=of))
        _say(finished=True)


def _say(**news: Any) -> None:
    sys.stdout.write(orjson.dumps(news).decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
