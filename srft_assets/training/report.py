"""How a training tells its parent where it stands: JSON lines, and Dagster Pipes where given."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import orjson

from srft_assets.training.ranks import this_rank

if TYPE_CHECKING:
    from dagster_pipes import PipesContext

LOG_LINES = 20
"""Lines in the Dagster log of one training, about."""


class Told(Protocol):
    """Takes the news of a training."""

    def step(self, step: int, of: int, loss: float) -> None:
        """One logged optimizer step."""

    def curve(self, curve: list[dict[str, float]]) -> None:
        """The whole loss curve, at the end."""


class Lines:
    """`{"step": 3, "of": 150, "loss": 2.1}` on standard output, a line a step."""

    def step(self, step: int, of: int, loss: float) -> None:
        """Write and flush one line."""
        line = orjson.dumps({"step": step, "of": of, "loss": round(loss, 4)})
        sys.stdout.write(line.decode() + "\n")
        sys.stdout.flush()

    def curve(self, curve: list[dict[str, float]]) -> None:
        """Nothing: the curve is in `result.json`."""


class Silent:
    """Nothing: the first process of several tells what there is to tell."""

    def step(self, step: int, of: int, loss: float) -> None:
        """Nothing."""

    def curve(self, curve: list[dict[str, float]]) -> None:
        """Nothing."""


class Pipes(Lines):
    """Lines, and besides the log and a custom message of the Dagster run."""

    def __init__(self, context: "PipesContext") -> None:
        self.context = context

    def step(self, step: int, of: int, loss: float) -> None:
        """Also into the run's log, now and then."""
        super().step(step, of, loss)
        if step == of or step % max(1, of // LOG_LINES) == 0:
            self.context.log.info(f"step {step} of {of}: loss {loss:.4f}")

    def curve(self, curve: list[dict[str, float]]) -> None:
        """As a custom message; the parent reports the materialization, which has its metadata."""
        self.context.report_custom_message({"loss_curve": curve})


@contextmanager
def telling() -> Iterator[Told]:
    """Dagster Pipes where the environment holds its bootstrap, plain lines otherwise."""
    from dagster_pipes import PipesEnvVarParamsLoader, open_dagster_pipes

    if not this_rank().first:
        yield Silent()
    elif PipesEnvVarParamsLoader().is_dagster_pipes_process():
        with open_dagster_pipes() as context:
            yield Pipes(context)
    else:
        yield Lines()
