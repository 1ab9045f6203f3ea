"""A training process: what it sets for its libraries, its fellow processes, and what it tells."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import orjson

from srft_assets.child import quiet
from srft_assets.errors import SrftError
from srft_assets.training.job import TrainingJob

T = TypeVar("T")
Report = Callable[[int, int, float], None]
"""Hears of a logged optimizer step: its number, how many there are, and the loss."""
LOG_LINES = 20
"""Lines in the Dagster log of one training, about."""


def prepare(job: TrainingJob) -> None:
    """Set the environment of heavy libraries, before any is imported.

    Which trackers wake; one GPU without a launcher; the Hub only for what needs it. Raises
    SrftError for a sharding that would lose the adapter.
    """
    quiet(**({"WANDB_MODE": "online"} if "wandb" in job.report_to else {}))
    if "WORLD_SIZE" not in os.environ:
        # transformers would split each packed row over all that are visible.
        visible = os.environ.get("CUDA_VISIBLE_DEVICES", "0")
        os.environ["CUDA_VISIBLE_DEVICES"] = visible.partition(",")[0]
    curves_to_hub = "trackio" in job.report_to and "TRACKIO_SPACE_ID" in os.environ
    if Path(job.base_model).is_dir() and not curves_to_hub:
        os.environ["HF_HUB_OFFLINE"] = "1"
    if job.method != "full" and _wraps_layers(job.options):
        raise SrftError(
            "FSDP's activation checkpointing renames the layers, and peft saves an adapter without "
            "weights: leave activation_checkpointing out of the FSDP settings; "
            "training.options.gradient_checkpointing does the same"
        )


def _wraps_layers(options: dict[str, Any]) -> bool:
    """As accelerate's launcher states it in the environment, or transformers' own settings."""
    names = ("ACCELERATE_USE_FSDP", "FSDP_ACTIVATION_CHECKPOINTING")
    launched = all(os.environ.get(name) == "true" for name in names)
    stated = options.get("fsdp_config") or {}
    if isinstance(stated, str):
        stated = json.loads(Path(stated).read_bytes())
    own = stated.get("activation_checkpointing", stated.get("fsdp_activation_checkpointing"))
    return launched or str(own).lower() == "true"


def join() -> Any:
    """Meet the other processes, over NCCL on GPUs and gloo on a CPU; accelerate's PartialState.

    They are as many as torchrun or accelerate started; without them this one is alone.
    """
    import torch
    from accelerate import PartialState

    return PartialState(cpu=not torch.cuda.is_available())


def agree(value: T) -> T:
    """What the first process holds; all of them must call it, in the same order."""
    from accelerate.utils import broadcast_object_list

    (agreed,) = broadcast_object_list([value])
    return agreed


@contextmanager
def reporting() -> Iterator[Report]:
    """Where progress goes: JSON lines on standard output, and the log of the Dagster run that
    started this process through Pipes. Of several processes the first one tells."""
    from dagster_pipes import PipesEnvVarParamsLoader, open_dagster_pipes

    if os.environ.get("RANK", "0") != "0":
        yield lambda step, of, loss: None
    elif not PipesEnvVarParamsLoader().is_dagster_pipes_process():
        yield print_step
    else:
        with open_dagster_pipes() as context:

            def tell(step: int, of: int, loss: float) -> None:
                print_step(step, of, loss)
                if step == of or step % max(1, of // LOG_LINES) == 0:
                    context.log.info(f"step {step} of {of}: loss {loss:.4f}")

            yield tell


def print_step(step: int, of: int, loss: float) -> None:
    """Write `{"step": 3, "of": 150, "loss": 2.1}` to standard output."""
    line = orjson.dumps({"step": step, "of": of, "loss": round(loss, 4)})
    sys.stdout.write(line.decode() + "\n")
    sys.stdout.flush()
