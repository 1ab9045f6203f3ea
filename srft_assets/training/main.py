"""`python -m srft_assets.training.main job.json`: one training in a process of its own.

Standard output is JSON lines of progress (`process.reporting`); a failure is one line on standard
error and exit code 1.
"""

import gc
import logging
import os
import re
import shutil
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import is_zipfile

import orjson
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import ValidationError
from safetensors import SafetensorError

from srft_assets.errors import SrftError, first_problem
from srft_assets.files import replacing
from srft_assets.processes.locks import exclusive
from srft_assets.tokens.token_labels import IGNORED
from srft_assets.training.checkpoint import (
    RESULT,
    CurvePoint,
    ScoredPoint,
    TrainingResult,
    ValidationResult,
    draw_loss,
    read_result,
)
from srft_assets.training.data import (
    CODES,
    Plan,
    check_vocabulary,
    load_held_out,
    load_rows,
    make_plan,
    scored_groups,
)
from srft_assets.training.job import Layout, TrainingJob
from srft_assets.training.model import load_base
from srft_assets.training.process import Report, agree, join, prepare, reporting
from srft_assets.training.saving import base_type, rehearse, save_model, stop_at

if TYPE_CHECKING:
    from transformers import TrainerState

    from srft_assets.training.trainer import Scored

FAILURES = (SrftError, ValidationError, MemoryError, OSError, RuntimeError, SafetensorError)
OUT_OF_MEMORY = ("out of memory", "can't allocate memory")
DISK_FULL = (
    "No space left",
    "File too large",
    "Disk quota exceeded",
    "unexpected pos",
    "iostream error",
)
"""What the system, safetensors and torch's archive writer say."""
STATE = re.compile(r"checkpoint-(\d+)")


def main(arguments: list[str]) -> int:
    """Exit code: 0 done, 1 failed, 2 wrong call."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m srft_assets.training.main job.json\n")
        return 2
    logging.captureWarnings(True)
    try:
        job = TrainingJob.model_validate_json(Path(arguments[0]).read_bytes())
        prepare(job)
        with reporting() as report:
            _import_heavy()
            train(job, report)
    except FAILURES as error:
        reason = reason_of(error)
        if reason is None:
            raise
        sys.stderr.write(f"error: {reason}\n")
        return 1
    return 0


def _import_heavy() -> None:
    """Import what training needs with the collector off: a sixth of ten seconds is its work."""
    gc.disable()
    import srft_assets.training.trainer  # noqa: F401

    gc.freeze()
    gc.enable()


def reason_of(error: BaseException) -> str | None:
    """One line that says what to do; None for a failure that needs its traceback."""
    text = " ".join(str(error).split())
    if isinstance(error, SrftError):
        return text
    if isinstance(error, ValidationError):
        return f"bad job: {first_problem(error)}"
    if isinstance(error, MemoryError) or any(sign in text for sign in OUT_OF_MEMORY):
        return (
            "out of memory: lower micro_batch_tokens in training.options, or max_length, "
            "or train by lora; the last state is kept"
        )
    if any(sign in text for sign in DISK_FULL):
        return "disk full: free some space and materialize again; the last state is kept"
    if isinstance(error, OSError):
        return text
    return None


def train(job: TrainingJob, report: Report) -> TrainingResult:
    """Train, or go on from the last state, or take the finished folder as it is.

    `job.output` appears by a rename, whole. Raises SrftError for bad rows, a missing model, bad
    options, or a loss that is not finite.
    """
    processes = join()
    lock = job.output.parent / f".{job.output.name}.lock"
    # An orphan may still train the same checkpoint.
    with exclusive(lock) if processes.is_main_process else nullcontext():
        done = agree(read_result(job.output))
        if done is None:
            _train(job, report, processes.process_index, processes.num_processes)
            processes.wait_for_everyone()
        return done or TrainingResult.model_validate_json((job.output / RESULT).read_bytes())


def _train(job: TrainingJob, report: Report, rank: int, ranks: int) -> None:
    import torch

    from srft_assets.training.trainer import build_trainer, check_finite, whole_weights

    if rank == 0:
        open_partial(job, ranks)
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS") or len(os.sched_getaffinity(0))))
    model, tokenizer, layout = load_base(job)
    table, ends = load_rows(job)
    ends = [end for end in ends if end in tokenizer.added_tokens_decoder]
    dtype = base_type(job.base_model)
    plan = make_plan(
        job.order,
        pc.list_value_length(table["input_ids"]).to_pylist(),
        batch_size=job.batch_size,
        micro_batch_tokens=job.micro_batch_tokens,
        layout=layout,
        ranks=ranks,
    )
    own = plan.of_rank(rank, ranks)
    scored = _scored(job, layout, rank, ranks)
    for rows in (table, *([scored[0]] if scored else [])):
        check_vocabulary(rows, model.get_input_embeddings().weight.shape[0])
    trainer = build_trainer(job, model, tokenizer, table, own, report, scored)
    state = agree(last_whole_state(job.partial / "states", ranks) if rank == 0 else None)
    folder = job.partial / "model"
    # Before training, which writes the tokenizer's end of sequence into the model's config.
    stop_at(ends, model, tokenizer)
    if rank == 0 and state is None:
        rehearse(trainer.model, tokenizer, folder, ends, dtype)
    trainer.args.eval_on_start = scored is not None and state is None
    trainer.train(resume_from_checkpoint=None if state is None else str(state))
    check_finite(trainer.model, trainer.state.global_step)
    weights = whole_weights(trainer)
    if rank == 0:
        sha = save_model(trainer.model, tokenizer, folder, ends, dtype, weights)
        result = _result(job, table, plan, trainer.state, sha)
        result.validation = _validation(job, trainer.state, scored)
        draw_loss(result, folder / "loss.png")
        (folder / "job.json").write_text(job.model_dump_json())
        (folder / RESULT).write_text(result.model_dump_json(indent=2))
        with replacing(job.output) as beside:
            folder.rename(beside)
        shutil.rmtree(job.partial)


def _scored(job: TrainingJob, layout: Layout, rank: int, ranks: int) -> "Scored | None":
    """What this process scores of the rows of held-out tasks."""
    if job.validation is None:
        return None
    table = load_held_out(job, job.validation, ranks)
    groups = scored_groups(
        pc.list_value_length(table["input_ids"]).to_pylist(),
        micro_batch_tokens=job.micro_batch_tokens,
        layout=layout,
        rank=rank,
        ranks=ranks,
    )
    return table, groups


def open_partial(job: TrainingJob, ranks: int = 1) -> None:
    """Make the folder of the unfinished training.

    A state of another job in it, or of another number of processes, is thrown away.
    """
    mark = job.partial / "identity"
    identity = job.identity if ranks == 1 else f"{job.identity} {ranks}"
    if job.partial.exists() and (not mark.exists() or mark.read_text() != identity):
        shutil.rmtree(job.partial)
    job.partial.mkdir(parents=True, exist_ok=True)
    mark.write_text(identity)


def last_whole_state(folder: Path, ranks: int = 1) -> Path | None:
    """The newest state below `folder` that was written to its end; broken newer ones are removed.

    The first process writes `trainer_state.json` last, and not atomically: a killed writer leaves
    either no such file or a torn one. The other ones write their random state, each when it can.
    """
    found = [path for path in folder.glob("checkpoint-*") if STATE.fullmatch(path.name)]
    for path in sorted(found, key=lambda path: int(path.name.partition("-")[2]), reverse=True):
        if _is_whole(path, ranks):
            return path
        shutil.rmtree(path)
    return None


def _is_whole(state: Path, ranks: int) -> bool:
    others = [state / f"rng_state_{rank}.pth" for rank in range(ranks)] if ranks > 1 else []
    try:
        told = orjson.loads((state / "trainer_state.json").read_bytes())
    except (FileNotFoundError, orjson.JSONDecodeError):
        return False
    return isinstance(told, dict) and all(is_zipfile(other) for other in others)


def _peak_memory() -> int:
    """The process's largest resident set, in bytes; `ru_maxrss` also counts its parent's."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def _result(
    job: TrainingJob, table: pa.Table, plan: Plan, state: "TrainerState", sha: str
) -> TrainingResult:
    import torch

    peak = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else _peak_memory()
    logged = [entry for entry in state.log_history if "loss" in entry]
    labels = pc.list_flatten(table["labels"])
    return TrainingResult(
        seed=job.seed,
        base_model=job.base_model,
        method=job.method,
        steps=state.global_step,
        rows=table.num_rows,
        tokens=len(labels),
        trained_tokens=pc.sum(pc.not_equal(labels, IGNORED)).as_py(),
        tokens_seen=sum(plan.step_tokens[: state.global_step]),
        padding_share=plan.padding_share,
        micro_batches=plan.per_step,
        layout=plan.layout,
        loss_curve=[CurvePoint.model_validate(entry) for entry in logged],
        seconds=logged[-1]["seconds"],
        peak_memory_mb=peak / 2**20,
        weights_sha256=sha,
    )


def _validation(
    job: TrainingJob, state: "TrainerState", scored: "Scored | None"
) -> ValidationResult | None:
    if job.validation is None or scored is None:
        return None
    keys = {label: f"eval_loss_{label}" for label in CODES}
    best = state.best_global_step if job.validation.keep == "best" else None
    rows = sum(len(part.rows) for part in job.validation.parts)
    return ValidationResult(
        tasks=len(job.validation.tasks),
        rows=rows,
        tokens=len(pc.list_flatten(scored[0]["input_ids"][:rows])),
        curve=[
            ScoredPoint(
                step=int(entry["step"]),
                loss=entry["eval_loss"],
                by_label={label: entry[key] for label, key in keys.items() if key in entry},
            )
            for entry in state.log_history
            if "eval_loss" in entry
        ],
        kept_step=best or state.global_step,
        ended_early=state.global_step < job.max_steps,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
