"""`checkpoints/<arm>`: a model trained on the masked tokens of one arm, by seed."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import ValidationError

from srft_assets.errors import SrftError, first_problem
from srft_assets.files import place
from srft_assets.home import Home
from srft_assets.plugins import need
from srft_assets.text import some
from srft_assets.tokens.arm import ArmSpec
from srft_assets.tokens.tokenizer import is_base_model_asset, model_source
from srft_assets.training.card import CARD, card_of
from srft_assets.training.checkpoint import (
    CHECKPOINTS,
    VOLATILE,
    TrainingResult,
    checkpoint_row,
    figures_of,
    read_result,
)
from srft_assets.training.cost import training_cost
from srft_assets.training.job import HeldOut, TrainingJob, every_of, order_of
from srft_assets.training.model import base_digest, base_folder
from srft_assets.training.process import command_of, environment_of
from srft_assets.training.rows import SHORTER, Selection, parts_of, rows_of, scored_asset
from srft_assets.training.saving import weights_digest
from srft_assets.trajectories.batches import family_of
from srft_assets.warehouse.partitions import Warehouse, matching
from srft_assets.warehouse.stage import Made, Said, Stage, Upstream, Work

VERSION = 2
"""Raised when the output changes; see tools/versions.py."""

UNTRAINED = 1
"""Raised when the output of arms that train nothing changes."""
HELD_OUT = 2
"""Raised when the output of trainings with `validation` changes, and of no others."""
UNDECIDING = {"batches", "launcher", "launcher_args", "launch", "report_to"}
"""Settings of a training that do not decide its weights, or do so through the inputs."""
OURS = ("micro_batch_tokens", "save_seconds")
"""Settings of ours among `options`. They bound memory and lost time and decide no weight beyond
the rounding of sums, so that a checkpoint stays in sync, and an unfinished training goes on, when
one is lowered for want of memory."""

DESCRIPTION = """
The base model `{model}` fine-tuned ({method}) on the masked tokens of the arm `{name}`. Masked
steps are context without loss; the loss is the mean over all trained tokens of an optimizer step,
by their weights where the arm gives some.
The same seed gives the same weights on a CPU.

{description}
"""
DESCRIPTION_UNTRAINED = """
The base model `{model}` as it is: the arm `{name}` trains nothing. Every seed has the same weights.

{description}
"""


def checkpoints_stage(arm: ArmSpec) -> Stage:
    """The stage of one arm. Evaluation settings and the description do not touch it."""
    only, setting = tuple(arm.training.batches), f"training.batches of the arm {arm.name}"
    assets = dict.fromkeys([f"masked_tokens/{arm.name}", scored_asset(arm)])
    return _stage(
        arm,
        DESCRIPTION,
        tuple(Upstream(asset, "all", only, setting, family=family_of) for asset in assets),
        code={"version": VERSION},
        make=partial(make_checkpoint, arm),
        config=_settings(arm),
        estimate=partial(training_cost, arm),
        watches={
            "batches_trained": partial(_batches_trained, arm),
            "rows_trained": partial(_rows_trained, arm),
        },
        apart=bool(arm.training.launch),
        pool="training",
        volatile=VOLATILE,
        kinds=frozenset({"pytorch", "huggingface"}),
    )


def untrained_stage(arm: ArmSpec) -> Stage:
    """The stage of one arm with `training.method: none`: its base model as it is, to be scored
    beside the others. Only the model decides it."""
    return _stage(
        arm,
        DESCRIPTION_UNTRAINED,
        (),
        code={"untrained": UNTRAINED},
        make=partial(point_at_base, arm),
        config={"model": arm.model, "method": "none"},
        volatile=("path",),
        kinds=frozenset({"huggingface"}),
    )


def _stage(arm: ArmSpec, description: str, upstream: tuple[Upstream, ...], **more: Any) -> Stage:
    """What both have in common: a row of CHECKPOINTS a seed, decided by the base model."""
    of_asset = is_base_model_asset(arm.model)
    base = (Upstream(f"base_models/{arm.model}", "whole"),) if of_asset else ()
    said = {"model": arm.model, "name": arm.name, "description": arm.description}

    def config_of(home: Home, partition: str) -> Mapping[str, Any]:
        folder = Path(arm.model)
        return {"base_model": base_digest(folder)} if not of_asset and folder.is_dir() else {}

    return Stage(
        key=f"checkpoints/{arm.name}",
        partitioned_by="seed",
        upstream=(*upstream, *base),
        schema=CHECKPOINTS,
        config_of=config_of,
        description=description.format(method=arm.training.method, **said).strip(),
        **more,
    )


def _settings(arm: ArmSpec) -> dict[str, Any]:
    """What of the arm decides the weights, apart from its inputs."""
    undeciding = {*UNDECIDING, "epochs" if arm.training.epochs is None else "max_steps"}
    validation = arm.training.validation
    if validation is None:
        undeciding.add("validation")
    stated = arm.training.model_dump(exclude=undeciding)
    if validation is not None:
        stated["validation"]["version"] = HELD_OUT
    stated["options"] = {k: v for k, v in stated["options"].items() if k not in OURS}
    seed = arm.seed if arm.per_instance is not None else 0
    choice = {"dedup": arm.dedup, "per_instance": arm.per_instance, "seed": seed}
    return {"model": arm.model, **stated, "choice": choice}


def make_checkpoint(arm: ArmSpec, work: Work) -> Made:
    """Train, or take the finished folder of the same recipe.

    Raises SrftError where there is nothing to train on, and what the training fails with;
    UsageError where the extra `train` is not installed.
    """
    need("train")
    base_model = model_source(arm.model, work.home, work.read)
    chosen, scored = rows_of(arm, work)
    job = _job(arm, base_model, chosen, scored, work)
    result = read_result(job.output) or _train(arm, job, work)
    # Written again where a kill came between the training and this.
    card = card_of(arm, job, result, _base_name(arm), work.recipe.inputs)
    place(job.output / CARD, card.encode())
    row = checkpoint_row(arm, result, _told(job.output, work.home))
    return Made(row, chosen.refused, figures_of(chosen, job, result))


def point_at_base(arm: ArmSpec, work: Work) -> Made:
    """A row whose `path` is the base model's folder; one of the Hub is downloaded, not copied.

    Raises SrftError where the model cannot be had, or its folder holds no weights.
    """
    folder = base_folder(model_source(arm.model, work.home, work.read))
    sha = weights_digest(folder)
    if sha is None:
        raise SrftError(f"arm {arm.name}: {folder} holds no *.safetensors: name another model")
    row = dict.fromkeys(CHECKPOINTS) | {
        "arm": arm.name,
        "seed": int(work.partition),
        "path": _told(folder, work.home),
        "base_model": arm.model,
        "method": arm.training.method,
        **dict.fromkeys(("steps", "rows", "tokens", "trained_tokens"), 0),
        "loss_curve": [],
        "weights_sha256": sha,
        "seconds": 0.0,
    }
    return Made(pl.DataFrame([row], schema=CHECKPOINTS), metadata={"weights_sha256": sha})


def _told(folder: Path, home: Home) -> str:
    """Relative to the platform's root where it lies inside."""
    return str(folder.relative_to(home.root) if folder.is_relative_to(home.root) else folder)


def _job(
    arm: ArmSpec, base_model: str, chosen: Selection, scored: pl.DataFrame, work: Work
) -> TrainingJob:
    """Raises SrftError for a setting out of range and a mixing that does not fit the rows."""
    training, asset, seed = arm.training, f"masked_tokens/{arm.name}", int(work.partition)
    order = order_of(chosen.rows, training, seed)
    steps = len(order) // training.batch_size
    ours = {name: training.options[name] for name in OURS if name in training.options}
    decided = {"options", "max_steps", "validation"}
    stated = training.model_dump(include=set(TrainingJob.model_fields) - decided)
    folder = work.home.artifacts / "checkpoints" / arm.name / work.partition
    try:
        return TrainingJob(
            base_model=base_model,
            warehouse=work.warehouse.root,
            asset=asset,
            parts=parts_of(chosen.rows, _versions(asset, work), training.normalise),
            order=order,
            max_steps=steps,
            validation=_held_out(arm, scored, steps, work),
            output=folder / work.recipe.fingerprint[:16],
            seed=seed,
            options={k: v for k, v in training.options.items() if k not in OURS},
            **stated,
            **ours,
        )
    except ValidationError as error:
        raise SrftError(f"arm {arm.name}: training.{first_problem(error)}") from error


def _held_out(arm: ArmSpec, scored: pl.DataFrame, steps: int, work: Work) -> HeldOut | None:
    stated, asset = arm.training.validation, scored_asset(arm)
    if stated is None:
        return None
    return HeldOut(
        asset=asset,
        parts=parts_of(scored, _versions(asset, work), arm.training.normalise),
        tasks=sorted(scored["instance_id"].unique()),
        every=every_of(stated, steps),
        patience=stated.patience,
        keep=stated.keep,
    )


def _versions(asset: str, work: Work) -> dict[str, str]:
    """Batch → data version of its partition of `asset`."""
    inputs = work.recipe.inputs
    return {name: inputs[f"{asset}/{name}"] for name in work.input_names(asset)}


def _train(arm: ArmSpec, job: TrainingJob, work: Work) -> TrainingResult:
    path = job.output.parent / f"{job.output.name}.job.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    place(path, job.model_dump_json().encode())
    try:
        command, env = command_of(arm.training, path), environment_of(arm.training)
        work.launch(command, env, arm.training.launch)
    except SrftError:
        for each in (job, job.validation) if job.validation else (job,):
            for part in each.parts:  # InputChangedError: made again from what is there now
                work.warehouse.read(each.asset, part.batch, ["trajectory_id"], version=part.version)
        raise
    result = read_result(job.output)
    if result is None:
        raise SrftError(f"{work.partition}: training ended without a result in {job.output}")
    path.unlink(missing_ok=True)
    return result


def _base_name(arm: ArmSpec) -> str:
    """The base model without a path of this machine."""
    if is_base_model_asset(arm.model):
        return f"base_models/{arm.model}"
    return Path(arm.model).name if Path(arm.model).is_dir() else arm.model


def _batches_trained(
    arm: ArmSpec, home: Home, warehouse: Warehouse, seeds: Sequence[str]
) -> Said | None:
    """Batches that `training.batches` leaves out."""
    there = warehouse.partitions(f"masked_tokens/{arm.name}")
    stated = arm.training.batches
    left = sorted(set(there) - set(matching(there, stated, family_of(home))))
    if not left:
        return None
    only = ", ".join(stated)
    told = f"training.batches ({only}) leaves out {len(left)} of {len(there)} batches: {some(left)}"
    return Said(told, warns=len(left) == len(there))


def _rows_trained(
    arm: ArmSpec, home: Home, warehouse: Warehouse, seeds: Sequence[str]
) -> Said | None:
    """Rows that the training refused, as too long."""
    asset = f"checkpoints/{arm.name}"
    stamps = [stamp for seed in seeds if (stamp := warehouse.stamp(asset, seed))]
    refused = max((len(stamp.refused) for stamp in stamps), default=0)
    if not refused:
        return None
    rows = max(round(stamp.figures.get("rows", 0)) + len(stamp.refused) for stamp in stamps)
    return Said(
        f"{refused:,} of {rows:,} rows are longer than training.max_length "
        f"({arm.training.max_length:,} tokens) and are not trained: raise it, "
        f"or state {SHORTER}"
    )
