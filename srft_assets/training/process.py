"""The processes of a training: their command, how they meet, and tell of their progress.

The parent's side comes first, then that of the training processes.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import orjson

from srft_assets.errors import SrftError
from srft_assets.processes.child import quiet
from srft_assets.project.folder import current_project
from srft_assets.tokens.arm import TrainingSpec
from srft_assets.training.job import TrainingJob

MAIN = "srft_assets.training.main"
T = TypeVar("T")


ByLabel = Mapping[str, float] | None
Report = Callable[[int, int, float, ByLabel], None]
"""Hears of a logged optimizer step: its number, how many there are, and the loss; of a validation
after it also the losses of labels, if any."""
LOG_LINES = 20
"""Lines in the Dagster log of one training, about."""


def launcher_args(training: TrainingSpec) -> list[str]:
    """The launcher's arguments; one that names a file of the project is that file, wherever the
    platform runs."""
    root = current_project().root
    return [
        str(root / word) if (root / word).is_file() else word for word in training.launcher_args
    ]


def command_of(training: TrainingSpec, job: Path) -> list[str]:
    """The command line that trains the job of this file."""
    start: list[str] = []
    stated, count = launcher_args(training), str(training.processes)
    if training.launcher == "torchrun":
        meeting = [] if _names(stated, "rdzv", "master") else ["--standalone"]
        start = ["-m", "torch.distributed.run", *meeting, "--nproc-per-node", count, *stated]
    elif training.launcher == "accelerate":
        start = ["-m", "accelerate.commands.launch", "--num_processes", count]
        if not _names(stated, "config_file"):
            # Nothing is taken from a default file of this machine, only from a stated one.
            start += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
            if training.processes > 1:
                start += ["--multi_gpu", "--main_process_port", "0"]
        start += stated
    return [sys.executable, *start, "-m", MAIN, str(job)]


def _names(arguments: Sequence[str], *words: str) -> bool:
    """Whether an option of these is among the arguments, with either dash in its name."""
    options = [word.lstrip("-").replace("-", "_") for word in arguments if word.startswith("-")]
    return any(option.startswith(words) for option in options)


def environment_of(training: TrainingSpec) -> dict[str, str]:
    """What to add to the environment: the cores are shared out to the processes, and none of
    them, launchers' workers included, takes a module from the current folder.
    """
    safe = {"PYTHONSAFEPATH": "1"}
    if training.processes == 1 or "OMP_NUM_THREADS" in os.environ:
        return safe
    cores = len(os.sched_getaffinity(0))
    return safe | {"OMP_NUM_THREADS": str(max(1, cores // training.processes))}


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
        yield lambda *told: None
    elif not PipesEnvVarParamsLoader().is_dagster_pipes_process():
        yield print_step
    else:
        with open_dagster_pipes() as context:

            def tell(step: int, of: int, loss: float, by_label: ByLabel) -> None:
                print_step(step, of, loss, by_label)
                if by_label is not None:
                    parts = ", ".join(f"{label} {one:.4f}" for label, one in by_label.items())
                    told = f"validation loss {loss:.4f}" + (f" ({parts})" if parts else "")
                    context.log.info(f"step {step} of {of}: {told}")
                elif step == of or step % max(1, of // LOG_LINES) == 0:
                    context.log.info(f"step {step} of {of}: loss {loss:.4f}")

            yield tell


def print_step(step: int, of: int, loss: float, by_label: ByLabel) -> None:
    """Write `{"step": 3, "of": 150, "loss": 2.1}` to standard output; of a validation
    `validation_loss` and the losses of labels in its place."""
    losses = {"loss": loss} if by_label is None else {"validation_loss": loss, **by_label}
    told = {name: round(one, 4) for name, one in losses.items()}
    line = orjson.dumps({"step": step, "of": of, **told})
    sys.stdout.write(line.decode() + "\n")
    sys.stdout.flush()
