"""`checkpoints/<arm>`: a model trained on the masked tokens of one arm, by seed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from srft_assets.agent.whole_file import put_whole
from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.tokens.arm import ArmSpec, TrainingSpec
from srft_assets.tokens.model_folder import is_base_model_asset, model_source
from srft_assets.training.card import CARD, card, is_adapter
from srft_assets.training.command import Command
from srft_assets.training.job import Choice, TrainingJob, TrainingResult, read_result
from srft_assets.training.mixing import groups_of
from srft_assets.training.model import base_digest
from srft_assets.training.row import checkpoint_row, figures
from srft_assets.training.rows import select_rows
from srft_assets.training.schema import CHECKPOINTS, VOLATILE
from srft_assets.warehouse.code import code_digest
from srft_assets.warehouse.stage import Cost, Made, Stage, Upstream, Work
from srft_assets.warehouse.store import Warehouse, matching

MODULES = tuple(
    f"srft_assets.training.{name}"
    for name in (
        "attention",
        "job",
        "mixing",
        "model",
        "plan",
        "rows",
        "run",
        "settings",
        "trainer",
        "weights",
    )
)

LAUNCH = {"launcher", "processes", "launcher_args", "launch_prefix"}
OUTSIDE = {"batches", "launcher", "launcher_args", "launch_prefix", "report_to"}
"""Settings of a training that do not decide its weights, or do so through the inputs."""
LATER = {"mixing", "normalise", "processes"}

DESCRIPTION = """
The base model `{model}` fine-tuned ({method}) on the masked tokens of the arm `{name}`. Masked
steps are context without loss; the loss is the mean over all trained tokens of an optimizer step,
by their weights where the arm gives some.
The same seed gives the same weights on a CPU.

{description}
"""


def checkpoints_stage(arm: ArmSpec) -> Stage:
    """The stage of one arm. Evaluation settings and the description do not touch it."""
    asset = is_base_model_asset(arm.model)
    upstream = [Upstream(f"masked_tokens/{arm.name}", "all", tuple(arm.training.batches))]
    if asset:
        upstream.append(Upstream(f"base_models/{arm.model}", "whole"))
    text = DESCRIPTION.format(
        model=arm.model, method=arm.training.method, name=arm.name, description=arm.description
    )

    def config_of(home: Home, partition: str) -> Mapping[str, Any]:
        folder = Path(arm.model)
        return {"base_model": base_digest(folder)} if not asset and folder.is_dir() else {}

    return Stage(
        key=f"checkpoints/{arm.name}",
        partitioned_by="seed",
        upstream=tuple(upstream),
        schema=CHECKPOINTS,
        code={"training": code_digest(*MODULES)},
        make=lambda work: _make(arm, asset, work),
        config=_config(arm),
        config_of=config_of,
        cost=lambda home, seed: _cost(arm, home),
        volatile=VOLATILE,
        description=text.strip(),
        kinds=frozenset({"pytorch", "huggingface"}),
    )


def _config(arm: ArmSpec) -> dict[str, Any]:
    """The settings of training, and what of the choice of runs it takes part in.

    Those that came later are named only where they differ from their default, so that the
    checkpoints of arms that do not know them stay as they are.
    """
    stated = arm.training.model_dump(exclude=OUTSIDE | LATER)
    later = arm.training.model_dump(include=LATER, exclude_defaults=True)
    choice = _choice(arm).model_dump(exclude_defaults=True)
    return {"model": arm.model, **stated, **later, **({"choice": choice} if choice else {})}


def _choice(arm: ArmSpec) -> Choice:
    seed = arm.seed if arm.per_instance is not None else 0
    return Choice(dedup=arm.dedup, per_instance=arm.per_instance, seed=seed)


def _cost(arm: ArmSpec, home: Home) -> Cost:
    """Tokens with loss that the optimizer steps take, of the masked tokens there are now."""
    warehouse = Warehouse(home.warehouse)
    tokens = f"masked_tokens/{arm.name}"
    names = matching(warehouse.partitions(tokens), tuple(arm.training.batches))
    files = [warehouse.path(tokens, name) for name in names]
    rows = select_rows(files, arm.training.max_length, _choice(arm))
    drawn = arm.training.max_steps * arm.training.batch_size
    kept = max(rows.frame.height, 1)
    return Cost(tokens_to_train=round(rows.trained_tokens / kept * drawn))


def _make(arm: ArmSpec, asset: bool, work: Work) -> Made:
    tokens = f"masked_tokens/{arm.name}"
    batches = work.input_names(tokens)
    job = _job(arm, model_source(arm.model, work.home, work.read), batches, work)
    chosen = select_rows(job.data, job.max_length, job.choice)
    if chosen.frame.is_empty():
        raise SrftError(_nothing_to_train(arm, batches, chosen.without_loss, len(chosen.refused)))
    if job.mixing is not None:
        groups_of(chosen, job.mixing)
    result = read_result(job.output)
    if result is None:
        result = _train(arm, job, work)
    _describe(arm, asset, job, result, work)
    return Made(checkpoint_row(arm, job, result, work.home), chosen.refused, figures(job, result))


def _job(arm: ArmSpec, base_model: str, batches: list[str], work: Work) -> TrainingJob:
    training = arm.training.model_dump(exclude={*LAUNCH, "batches", "options"})
    options = dict(arm.training.options)
    ours = {
        name: options.pop(name) for name in ("micro_batch_tokens", "save_seconds") & options.keys()
    }
    folder = work.home.artifacts / "checkpoints" / arm.name / work.partition
    try:
        return TrainingJob(
            base_model=base_model,
            data=[work.warehouse.path(f"masked_tokens/{arm.name}", name) for name in batches],
            output=folder / work.recipe.fingerprint[:16],
            seed=int(work.partition),
            choice=_choice(arm),
            options=options,
            **training,
            **ours,
        )
    except ValidationError as error:
        first = error.errors()[0]
        setting = ".".join(map(str, first["loc"]))
        raise SrftError(f"arm {arm.name}: training.{setting}: {first['msg']}") from error


def _train(arm: ArmSpec, job: TrainingJob, work: Work) -> TrainingResult:
    path = job.output.parent / f"{job.output.name}.job.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(job.model_dump_json(indent=2))
    command = _command(arm.training)
    work.launch(command.argv(path), command.env())
    result = read_result(job.output)
    if result is None:
        raise SrftError(f"{work.partition}: training ended without a result in {job.output}")
    path.unlink()
    return result


def _describe(
    arm: ArmSpec, asset: bool, job: TrainingJob, result: TrainingResult, work: Work
) -> None:
    """Lay the model card beside the weights; again, where a kill came in between."""
    local = Path(arm.model).is_dir()
    base = f"base_models/{arm.model}" if asset else Path(arm.model).name if local else arm.model
    adapter = is_adapter(job.output)
    text = card(arm, job, result, base, work.recipe.inputs, adapter)
    put_whole(job.output / CARD, text.encode())


def _command(training: TrainingSpec) -> Command:
    return Command(
        launcher=training.launcher,
        processes=training.processes,
        arguments=training.launcher_args,
        prefix=training.launch_prefix,
    )


def _nothing_to_train(arm: ArmSpec, batches: list[str], unmasked: int, refused: int) -> str:
    runs = {"all": "run", "resolved": "resolved run", "unresolved": "unresolved run"}[arm.runs]
    shown = ", ".join(batches[:4]) + (", …" if len(batches) > 4 else "")
    line = f"arm {arm.name}: no {runs} to train on in batches {shown}"
    if unmasked or refused:
        limit = arm.training.max_length
        line += f" ({unmasked} without a trained token, {refused} over {limit} tokens)"
    return line
