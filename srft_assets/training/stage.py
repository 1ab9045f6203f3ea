"""`checkpoints/<arm>`: a model trained on the masked tokens of one arm, by seed."""

import sys
from pathlib import Path
from typing import Any

import polars as pl

from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.tokens.arm import ArmSpec
from srft_assets.tokens.stage import is_base_model_asset
from srft_assets.training.job import TrainingJob, TrainingResult, read_result
from srft_assets.training.rows import select_rows
from srft_assets.training.schema import CHECKPOINTS, VOLATILE
from srft_assets.warehouse.code import code_digest
from srft_assets.warehouse.stage import Made, Stage, Upstream, Work

MODULES = tuple(
    f"srft_assets.training.{name}"
    for name in ("attention", "job", "model", "plan", "rows", "run", "trainer")
)

DESCRIPTION = """
The base model `{model}` fine-tuned ({method}) on the masked tokens of the arm `{name}`. Masked
steps are context without loss; the loss is the mean over all trained tokens of an optimizer step.
The same seed gives the same weights on a CPU.

{description}
"""


def checkpoints_stage(arm: ArmSpec, base_model_is_asset: bool | None = None) -> Stage:
    """The stage of one arm. Evaluation settings and the description do not touch it."""
    asset = is_base_model_asset(arm.model) if base_model_is_asset is None else base_model_is_asset
    upstream = [Upstream(f"masked_tokens/{arm.name}", "all", tuple(arm.training.batches))]
    if asset:
        upstream.append(Upstream(f"base_models/{arm.model}", "whole"))
    text = DESCRIPTION.format(
        model=arm.model, method=arm.training.method, name=arm.name, description=arm.description
    )
    return Stage(
        key=f"checkpoints/{arm.name}",
        partitioned_by="seed",
        upstream=tuple(upstream),
        schema=CHECKPOINTS,
        code={"training": code_digest(*MODULES)},
        make=lambda work: _make(arm, asset, work),
        config={"model": arm.model, **arm.training.model_dump(exclude={"batches"})},
        volatile=VOLATILE,
        description=text.strip(),
        kinds=frozenset({"pytorch", "huggingface"}),
    )


def _make(arm: ArmSpec, asset: bool, work: Work) -> Made:
    tokens = f"masked_tokens/{arm.name}"
    batches = [
        name
        for key in sorted(work.recipe.inputs)
        for upstream, _, name in [key.rpartition("/")]
        if upstream == tokens
    ]
    job = _job(arm, _base_model(arm, asset, work), batches, work)
    chosen = select_rows(job.data, job.max_length)
    if chosen.frame.is_empty():
        raise SrftError(_nothing_to_train(arm, batches, chosen.without_loss, len(chosen.refused)))
    result = read_result(job.output)
    if result is None:
        result = _train(job, work)
    return Made(_frame(arm, job, result, work.home), chosen.refused, _figures(job, result))


def _base_model(arm: ArmSpec, asset: bool, work: Work) -> str:
    if not asset:
        return arm.model
    rows = work.warehouse.read(f"base_models/{arm.model}")
    folder = work.home.root / rows["path"][0] if rows.height else None
    if folder is None or not folder.is_dir():
        raise SrftError(f"the base model {arm.model} has no folder: make base_models/{arm.model}")
    return str(folder)


def _job(arm: ArmSpec, base_model: str, batches: list[str], work: Work) -> TrainingJob:
    training = arm.training.model_dump(exclude={"batches", "options"})
    options = dict(arm.training.options)
    ours = {
        name: options.pop(name) for name in ("micro_batch_tokens", "save_seconds") & options.keys()
    }
    folder = work.home.artifacts / "checkpoints" / arm.name / work.partition
    return TrainingJob(
        base_model=base_model,
        data=[work.warehouse.path(f"masked_tokens/{arm.name}", name) for name in batches],
        output=folder / work.recipe.fingerprint[:16],
        seed=int(work.partition),
        options=options,
        **training,
        **ours,
    )


def _train(job: TrainingJob, work: Work) -> TrainingResult:
    path = job.output.parent / f"{job.output.name}.job.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(job.model_dump_json(indent=2))
    work.launch([sys.executable, "-m", "srft_assets.training.main", str(path)], {})
    result = read_result(job.output)
    if result is None:
        raise SrftError(f"{work.partition}: training ended without a result in {job.output}")
    path.unlink()
    return result


def _nothing_to_train(arm: ArmSpec, batches: list[str], unmasked: int, refused: int) -> str:
    runs = {"all": "run", "resolved": "resolved run", "unresolved": "unresolved run"}[arm.runs]
    shown = ", ".join(batches[:4]) + (", …" if len(batches) > 4 else "")
    line = f"arm {arm.name}: no {runs} to train on in batches {shown}"
    if unmasked or refused:
        limit = arm.training.max_length
        line += f" ({unmasked} without a trained token, {refused} over {limit} tokens)"
    return line


def _frame(arm: ArmSpec, job: TrainingJob, result: TrainingResult, home: Home) -> pl.DataFrame:
    curve = [point.model_dump(exclude={"tokens_per_second"}) for point in result.loss_curve]
    row: dict[str, Any] = {
        **result.model_dump(include=set(CHECKPOINTS) - {"loss_curve", "base_model"}),
        "arm": arm.name,
        "path": _relative(job.output, home.root),
        "base_model": arm.model,
        "final_loss": result.final_loss,
        "loss_curve": curve,
    }
    return pl.DataFrame([row], schema=CHECKPOINTS)


def _relative(path: Path, root: Path) -> str:
    return str(path.relative_to(root) if path.is_relative_to(root) else path)


def _figures(job: TrainingJob, result: TrainingResult) -> dict[str, Any]:
    return {
        "first_loss": result.loss_curve[0].loss,
        "final_loss": result.final_loss,
        "loss": job.output / "loss.png",
        "rows": result.rows,
        "rows_without_a_trained_token": result.rows_without_loss,
        "rows_too_long": result.rows_too_long,
        "tokens": result.tokens,
        "tokens_trained": result.trained_tokens,
        "trained_share": result.trained_share,
        "padding_share": result.padding_share,
        "tokens_per_second": round(result.tokens_seen / max(result.seconds, 1e-9)),
        "micro_batches": result.micro_batches,
        "seconds": result.seconds,
        "peak_memory_mb": result.peak_memory_mb,
        "weights_sha256": result.weights_sha256,
    }
