"""The parts of the GPU report, in their order: each returns its figures by name.

They run the commands of `srft` in this process, on one platform; models run in processes that
those commands start, so that no part leaves memory of a GPU to the next.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import typer
import yaml

import srft_assets
from srft_assets.errors import SrftError
from srft_assets.home import current_home
from srft_assets.serving import vllm_program
from srft_assets.warehouse.partitions import Warehouse
from srft_assets.warehouse.query import run_query

SHIPPED_PROMPT = Path(srft_assets.__file__).parent / "defs" / "critics" / "default" / "prompt.md"
BATCH, GAME = "lab-gpu", "eval-gpu"
PROJECT = "project"
ARM_TYPE, CRITIC_TYPE = "srft_assets.components.Arm", "srft_assets.components.Critic"
CALLS = """
SELECT count(*) AS calls, sum(prompt_tokens)::BIGINT AS "prompt tokens",
    sum(completion_tokens)::BIGINT AS "answer tokens",
    sum(cached_tokens) / sum(prompt_tokens) AS "share of prompt tokens from the cache",
    max(epoch(answered_at)) - min(epoch(answered_at) - seconds) AS "seconds of answering"
FROM critic_calls WHERE critic = 'gpu'
"""
FSDP = {
    "compute_environment": "LOCAL_MACHINE",
    "distributed_type": "FSDP",
    "mixed_precision": "bf16",
    "num_machines": 1,
    "fsdp_config": {
        "fsdp_version": 2,
        "fsdp_auto_wrap_policy": "TRANSFORMER_BASED_WRAP",
        "fsdp_reshard_after_forward": True,
        "fsdp_state_dict_type": "FULL_STATE_DICT",
    },
}
"""The configuration of docs/training.md."""


class Skipped(Exception):
    """The part needs what is not here."""


class Failed(Exception):
    """The part went wrong; in one line."""


@dataclass(frozen=True)
class Stated:
    """What was asked for."""

    base: str
    critic: str
    runs: int
    steps: int
    max_length: int
    game_steps: int
    device: str
    out: Path
    folder: Path
    gpus: int

    @property
    def project(self) -> Path:
        """The folder of its `srft.yaml`, arms and critic."""
        return self.folder / PROJECT


Part = Callable[[Stated], dict[str, object]]


def prepare(stated: Stated) -> None:
    """Write the project, and let this process's commands use it."""
    shared = {"model": stated.base, "too_long": "cut"}
    training = {"max_length": stated.max_length, "max_steps": stated.steps, "batch_size": 8}
    arms: dict[str, dict[str, Any]] = {"gpu_lora": {"method": "lora"}}
    if stated.gpus > 1:
        config = stated.project / "fsdp.yaml"
        _write(config, yaml.safe_dump(FSDP))
        launch: dict[str, Any] = {"launcher": "accelerate", "processes": stated.gpus}
        launch |= {"launcher_args": ["--config_file", str(config)], "batch_size": 8 * stated.gpus}
        arms["gpu_fsdp"] = {"method": "full", **launch}
    for name, own in arms.items():
        attributes = {**shared, "training": {**training, **own}}
        _component(stated.project / "arms" / name, ARM_TYPE, attributes)
    judge = stated.project / "critics" / "gpu"
    _component(judge, CRITIC_TYPE, {"kind": "llm", "model": stated.critic, "judge": "all"})
    _write(judge / "prompt.md", SHIPPED_PROMPT.read_text())
    _write(stated.project / "srft.yaml", "")
    os.environ |= {"SRFT_PROJECT": str(stated.project), "SRFT_HOME": str(stated.folder / "home")}
    if stated.device == "cuda":
        os.environ.setdefault("SRFT_VLLM_MODEL", stated.critic)
        os.environ.setdefault("SRFT_VLLM_ARGS", "--enable-prefix-caching")


def _component(folder: Path, kind: str, attributes: dict[str, Any]) -> None:
    _write(folder / "defs.yaml", yaml.safe_dump({"type": kind, "attributes": attributes}))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def runs(stated: Stated) -> dict[str, object]:
    """Runs of the scripted teacher, played and graded here."""
    from srft_assets.experiment import REGIME
    from srft_assets.trajectories.batches import LAB, write_batch

    write_batch(current_home(), BATCH, LAB, REGIME.batch_settings(stated.runs))
    _srft("apply", "test_outcomes", "--batch", BATCH)
    rows = Warehouse(current_home().warehouse).read("test_outcomes", BATCH)
    return {"runs": rows.height, "resolved": rows.filter(rows["status"] == "resolved").height}


def critic(stated: Stated) -> dict[str, object]:
    """A critic by a vLLM of the platform's own, with prefix caching, or by `SRFT_CRITIC_URL`."""
    if vllm_program() is None and not os.environ.get("SRFT_CRITIC_URL"):
        raise Skipped('vLLM is not installed: pip install "srft-assets[vllm]"')
    start = time.monotonic()
    _srft("apply", "step_verdicts/gpu", "--batch", BATCH)
    whole = time.monotonic() - start
    (told,) = run_query(current_home(), CALLS).to_dicts()
    if not told["calls"]:
        raise Failed("no call was answered")
    tokens = told["prompt tokens"] + told["answer tokens"]
    seconds = max(told["seconds of answering"], 1e-3)
    return {
        **told,
        "tokens a second, prompt and answer": tokens / seconds,
        "answer tokens a second": told["answer tokens"] / seconds,
        "seconds, with the start of the server": whole,
    }


def lora(stated: Stated) -> dict[str, object]:
    """Adapters, on one GPU."""
    return _trained("gpu_lora")


def fsdp2(stated: Stated) -> dict[str, object]:
    """All weights, shared out to all GPUs."""
    if stated.gpus < 2:
        raise Skipped(f"it shares a model out to several GPUs, and there are {stated.gpus}")
    return _trained("gpu_fsdp")


def trl_packing(stated: Stated) -> dict[str, object]:
    """TRL's own packing over the rows of `lora`, with the same settings."""
    job = _checkpoint("gpu_lora") / "job.json"
    done = subprocess.run(
        [sys.executable, "-m", "tools.gpu.packing", str(job)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Failed((done.stderr.strip().splitlines() or ["no message"])[-1])
    told: dict[str, object] = orjson.loads(done.stdout.splitlines()[-1])
    ours = _pace("gpu_lora")
    return {**told, "ours to TRL's": ours / float(str(told["tokens a second"]))}


def merge(stated: Stated) -> dict[str, object]:
    """The adapter in its base model, as a folder to serve."""
    if _merged(stated).exists():
        raise Skipped(f"{_merged(stated)} is there from before")
    start = time.monotonic()
    _srft("merge", "gpu_lora", "--out", str(_merged(stated)))
    size = sum(path.stat().st_size for path in _merged(stated).iterdir())
    return {"seconds": time.monotonic() - start, "GB": size / 1e9}


def game(stated: Stated) -> dict[str, object]:
    """The merged model served by vLLM (on a CPU by transformers), one task played and graded."""
    served = "vllm:local:" if stated.device == "cuda" else "local:"
    if stated.device == "cuda" and vllm_program() is None:
        raise Skipped('vLLM is not installed: pip install "srft-assets[vllm]"')
    if not _merged(stated).is_dir():
        raise Failed("there is no merged model")
    start = time.monotonic()
    steps, model = f"{stated.game_steps}", f"{served}{_merged(stated)}"
    _srft("rollout", GAME, "--tasks", "lab:90001:1", "--step-limit", steps, "--model", model)
    warehouse = Warehouse(current_home().warehouse)
    (run,) = warehouse.read("trajectories", GAME).iter_rows(named=True)
    (outcome,) = warehouse.read("test_outcomes", GAME).iter_rows(named=True)
    return {
        "ended": run["exit_status"],
        "steps": run["n_steps"],
        "graded": outcome["status"],
        "seconds": time.monotonic() - start,
    }


PARTS: tuple[Part, ...] = (runs, critic, lora, fsdp2, trl_packing, merge, game)


def _trained(arm: str) -> dict[str, object]:
    """Train it, and tell its pace, and its memory beside what `srft doctor --arm` foretells."""
    from srft_assets.platform.requirements import training_of
    from srft_assets.platform.stages import arm_of

    _srft("apply", f"checkpoints/{arm}")
    (row,) = _row(arm).iter_rows(named=True)
    peak = row["peak_memory_mb"] / 1024
    foretold = training_of(arm_of(arm), current_home()).need.total / 2**30
    return {
        "tokens a second": _pace(arm),
        "steps": row["steps"],
        "last loss": row["final_loss"],
        "peak memory of a process, GiB": peak,
        "the same as foretold, GiB": foretold,
    }


def _row(arm: str) -> Any:
    return Warehouse(current_home().warehouse).read(f"checkpoints/{arm}", "0")


def _checkpoint(arm: str) -> Path:
    try:
        return current_home().root / str(_row(arm)["path"][0])
    except FileNotFoundError:
        raise Failed(f"there is no checkpoint of {arm}") from None


def _pace(arm: str) -> float:
    """Tokens a second of its training, without the first step, which warms up."""
    from srft_assets.training.checkpoint import read_result

    result = read_result(_checkpoint(arm))
    assert result is not None
    points = result.loss_curve[1:] or result.loss_curve
    return sum(point.tokens_per_second for point in points) / len(points)


def _merged(stated: Stated) -> Path:
    return stated.folder / "merged"


def _srft(*words: str) -> None:
    """Run a command in this process. Raises Failed with its last line."""
    from srft_assets.cli.app import app

    try:
        code = app(list(words), standalone_mode=False)
    except typer.Exit as end:
        code = end.exit_code
    except SrftError as error:
        raise Failed(f"srft {words[0]}: {error}") from error
    if code:
        raise Failed(f"srft {' '.join(words)} ended with exit code {code}")
