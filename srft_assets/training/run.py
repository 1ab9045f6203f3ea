"""One training from job to finished folder."""

import os
import resource
import shutil
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from srft_assets.errors import SrftError
from srft_assets.locks import exclusive
from srft_assets.training.job import RESULT, CurvePoint, TrainingJob, TrainingResult, read_result
from srft_assets.training.labels import load_rows
from srft_assets.training.mixing import draw, groups_of
from srft_assets.training.model import check_vocabulary, load_base, save_model, whole_weights
from srft_assets.training.picture import draw_loss
from srft_assets.training.plan import Plan, make_plan
from srft_assets.training.ranks import Ranks, join
from srft_assets.training.report import Told
from srft_assets.training.rows import Selection, select_rows
from srft_assets.training.saving import check_finite
from srft_assets.training.states import last_whole_state, open_partial
from srft_assets.training.trainer import build_trainer
from srft_assets.warehouse.placing import sync_folder


def train(job: TrainingJob, told: Told) -> TrainingResult:
    """Train, or go on from the last state, or take the finished folder as it is.

    `job.output` appears by a rename, whole. Raises SrftError for bad rows, a missing model, bad
    options, or a loss that is not finite.
    """
    ranks = join()
    # An orphan may still train the same checkpoint.
    with exclusive(_lock_of(job)) if ranks.first else nullcontext():
        done = ranks.agree(read_result(job.output))
        return done if done is not None else _train(job, told, ranks)


def _lock_of(job: TrainingJob) -> Path:
    return job.output.parent / f".{job.output.name}.lock"


def _train(job: TrainingJob, told: Told, ranks: Ranks) -> TrainingResult:
    import torch

    selection = select_rows(job.data, job.max_length, job.choice)
    if selection.frame.is_empty():
        raise SrftError("no row with a trained token in the given partitions")
    if ranks.first:
        open_partial(job, ranks.count)
    torch.set_num_threads(_threads())
    model, tokenizer, layout = load_base(job)
    table = load_rows(selection, job.normalise)
    check_vocabulary(model, table)
    plan = make_plan(
        selection.frame["n_tokens"].to_list(),
        steps=job.max_steps,
        batch_size=job.batch_size,
        micro_batch_tokens=job.micro_batch_tokens,
        seed=job.seed,
        layout=layout,
        order=_mixed(job, selection),
        ranks=ranks.count,
    )

    def report(step: int, loss: float) -> None:
        if ranks.first:
            told.step(step, job.max_steps, loss)

    trainer = build_trainer(job, model, tokenizer, table, plan.of_rank(ranks.rank), report)
    state = last_whole_state(job.partial / "states", ranks.count) if ranks.first else None
    state = ranks.agree(state)
    trainer.train(resume_from_checkpoint=None if state is None else str(state))
    check_finite(trainer.model, job.max_steps)
    weights = whole_weights(trainer)
    if not ranks.first:
        ranks.wait()
        return TrainingResult.model_validate_json((job.output / RESULT).read_bytes())
    result = _finish(job, selection, plan, trainer, tokenizer, weights)
    ranks.wait()
    told.curve([point.model_dump() for point in result.loss_curve])
    return result


def _mixed(job: TrainingJob, selection: Selection) -> list[int] | None:
    if job.mixing is None:
        return None
    groups = groups_of(selection, job.mixing)
    return draw(groups, job.mixing.shares, job.max_steps * job.batch_size, job.seed)


def _threads() -> int:
    """Cores this process may use, unless OMP_NUM_THREADS says otherwise."""
    return int(os.environ.get("OMP_NUM_THREADS") or len(os.sched_getaffinity(0)))


def _finish(
    job: TrainingJob, selection: Selection, plan: Plan, trainer: Any, tokenizer: Any, weights: Any
) -> TrainingResult:
    beside = job.partial / "model"
    sha = save_model(trainer.model, tokenizer, beside, weights)
    history = [entry for entry in trainer.state.log_history if "loss" in entry]
    result = TrainingResult(
        seed=job.seed,
        base_model=job.base_model,
        method=job.method,
        steps=job.max_steps,
        rows=selection.frame.height,
        rows_without_loss=selection.without_loss,
        rows_too_long=len(selection.refused),
        rows_left_out=selection.left_out,
        tokens=selection.tokens,
        trained_tokens=selection.trained_tokens,
        tokens_seen=plan.tokens,
        padding_share=plan.padding_share,
        micro_batches=plan.per_step,
        layout=plan.layout,
        loss_curve=[CurvePoint.model_validate(entry) for entry in history],
        seconds=history[-1]["seconds"],
        peak_memory_mb=_peak_memory_mb(),
        weights_sha256=sha,
    )
    draw_loss(result, beside / "loss.png")
    (beside / "job.json").write_text(job.model_dump_json(indent=2))
    (beside / RESULT).write_text(result.model_dump_json(indent=2))
    _put_in_place(beside, job)
    return result


def _put_in_place(beside: Path, job: TrainingJob) -> None:
    for path in beside.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    sync_folder(beside)
    if job.output.exists():
        shutil.rmtree(job.output)
    beside.rename(job.output)
    sync_folder(job.output.parent)
    shutil.rmtree(job.partial)


def _peak_memory_mb() -> float:
    """Peak of the GPU where there is one, otherwise of the process."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
