"""One checkpoint: the job of an arm and seed, its subprocess, and what came out."""

from pathlib import Path

from pydantic import ValidationError

from srft_assets.errors import SrftError
from srft_assets.tokens.arm import ArmSpec, TrainingSpec
from srft_assets.tokens.model_folder import model_source
from srft_assets.training.card import CARD, card, is_adapter
from srft_assets.training.command import Command
from srft_assets.training.job import TrainingJob, TrainingResult, read_result
from srft_assets.training.mixing import groups_of
from srft_assets.training.recipe import OURS, choice_of
from srft_assets.training.row import checkpoint_row, figures
from srft_assets.training.rows import select_rows
from srft_assets.warehouse.placing import place
from srft_assets.warehouse.stage import Made, Work

LAUNCH = {"launcher", "processes", "launcher_args", "launch_prefix"}


def make_checkpoint(arm: ArmSpec, asset: bool, work: Work) -> Made:
    """Train, or take the finished folder of the same recipe. `asset`: the model is one of ours.

    Raises SrftError where there is nothing to train on, and what the training fails with.
    """
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
    ours = {name: options.pop(name) for name in OURS if name in options}
    folder = work.home.artifacts / "checkpoints" / arm.name / work.partition
    try:
        return TrainingJob(
            base_model=base_model,
            data=[work.warehouse.path(f"masked_tokens/{arm.name}", name) for name in batches],
            output=folder / work.recipe.fingerprint[:16],
            seed=int(work.partition),
            choice=choice_of(arm),
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
    place(job.output / CARD, text.encode())


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
