"""All stages of the platform: the fixed ones, and those that YAML below `defs/` states.

`srft plan` reads them here without Dagster; the components of `srft_assets.components` make the
same stages into assets.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from srft_assets.compare.stage import SCORES, comparison_stage
from srft_assets.critic.gold.labels import gold_labels_stage
from srft_assets.critic.prompt.template import load_prompt
from srft_assets.critic.scores import critic_scores_stage
from srft_assets.critic.spec import CriticSpec, RulesSpec
from srft_assets.critic.stages import llm_stage, prompt_stage, rules_stage
from srft_assets.errors import SrftError, UsageError
from srft_assets.integrity.stage import integrity_stage
from srft_assets.lab.base import base_models_stage
from srft_assets.lab.teacher import VERSION as LAB_VERSION
from srft_assets.lab.teacher import collect
from srft_assets.outcomes.stage import test_outcomes_stage
from srft_assets.project.folder import YAML, component_files, current_project, refuse_twins, twins
from srft_assets.project.settings import Settings, settings
from srft_assets.project.yaml_files import parsed, read_yaml, reason_of
from srft_assets.rollouts.player import collect as play_rollouts
from srft_assets.rollouts.settings import KIND as ROLLOUT
from srft_assets.rollouts.settings import VERSION as ROLLOUT_VERSION
from srft_assets.rollouts.stage import eval_scores_stage
from srft_assets.tokens.arm import ArmSpec, EvaluationSpec, TrainingSpec
from srft_assets.tokens.stage import masked_tokens_stage
from srft_assets.training.options import check_options
from srft_assets.training.stage import OURS, checkpoints_stage, untrained_stage
from srft_assets.trajectories.stage import trajectories_stage
from srft_assets.warehouse.stage import Stage

COMPONENTS = "srft_assets.components"
CRITIC_TYPES = (f"{COMPONENTS}.critic.Critic", f"{COMPONENTS}.Critic")
ARM_TYPES = (f"{COMPONENTS}.arm.Arm", f"{COMPONENTS}.Arm")
PROMPT = "prompt.md"
UNDER = ("attributes",)
DEFAULTS = Settings.model_construct()


def load_stages(folder: Path | None = None) -> dict[str, Stage]:
    """Stage by asset key, as the files below `folder` state them now, and these alone; None: those
    of the package and of the project, with its settings.

    Raises SrftError with file, line and fix for YAML or a prompt that states no sound component.
    """
    chosen = settings() if folder is None else DEFAULTS
    stages = fixed_stages()
    if folder is None:
        refuse_twins()
    files = component_files() if folder is None else sorted(folder.rglob(YAML))
    for path in files:
        stages += stages_of_file(path, chosen)
    return {stage.key: stage for stage in [*stages, *comparisons(stages)]}


def faults() -> Iterator[str]:
    """What is wrong in the files of critics and arms, each in one line, and once."""
    yield from dict.fromkeys(_faults())


def _faults() -> Iterator[str]:
    chosen = settings()
    yield from twins()
    stages = {stage.key: stage for stage in fixed_stages()}
    for path in component_files():
        try:
            stages |= {stage.key: stage for stage in stages_of_file(path, chosen)}
        except SrftError as error:
            yield str(error)
    for stage in stages.values():
        for edge in stage.upstream:
            if edge.asset not in stages:
                yield f"{stage.key} depends on {edge.asset}, which no file states"


def stages_of_file(path: Path, chosen: Settings) -> list[Stage]:
    """The stages of the critics and arms of one file. Raises SrftError as `load_stages`."""
    stages: list[Stage] = []
    for spec in specs_of_file(path):
        if isinstance(spec, ArmSpec):
            stages += arm_stages(spec, chosen)
        else:
            stages += critic_stages(path.parent, spec, chosen)
    return stages


def specs_of_file(path: Path) -> Iterator[CriticSpec | ArmSpec]:
    """What a file states of critics and arms. Raises SrftError as `load_stages`."""
    for kind, attributes in _components(path):
        if kind in CRITIC_TYPES:
            yield parsed(path, CriticSpec, attributes, UNDER)
        elif kind in ARM_TYPES:
            yield parsed(path, ArmSpec, {"name": path.parent.name, **attributes}, UNDER)


def fixed_stages() -> list[Stage]:
    """Runs, what the tests said of them, gold labels, and the base model of the default."""
    trajectories = trajectories_stage(
        collectors={"lab": collect, ROLLOUT: play_rollouts},
        collector_versions={"lab": LAB_VERSION, ROLLOUT: ROLLOUT_VERSION},
    )
    return [
        *_tagged([trajectories, test_outcomes_stage(unsafe=_unsafe())], "runs"),
        *_tagged([integrity_stage(_weak_tests())], "runs"),
        *_tagged([gold_labels_stage()], "gold"),
        *_tagged([base_models_stage()], "model"),
    ]


def critic_stages(folder: Path, spec: CriticSpec, chosen: Settings) -> list[Stage]:
    """`critic_prompt` where there is a prompt, `step_verdicts` and `critic_scores`.

    `chosen` has what the YAML leaves open. The folder's name is the critic's. Raises SrftError for
    a prompt that is not sound.
    """
    name = folder.name
    scores = critic_scores_stage(name)
    if isinstance(spec, RulesSpec):
        stages = [rules_stage(name, description=spec.description), scores]
        return _tagged(stages, "critic", critic=name)
    spec = _filled(spec, {"model": chosen.critic.model})
    of_project = {"api_key_env": chosen.critic.api_key_env, "batch": chosen.critic.batch}
    endpoint = _filled(spec.endpoint, of_project)
    spec = spec.model_copy(update={"endpoint": endpoint})
    prompt = load_prompt(folder / PROMPT, spec)
    stages = [
        prompt_stage(name, spec, prompt),
        llm_stage(name, spec, prompt),
        replace(scores, on_request=True),
    ]
    return _tagged(stages, "critic", critic=name)


def arm_stages(spec: ArmSpec, chosen: Settings) -> list[Stage]:
    """`masked_tokens`, unless it trains nothing, `checkpoints` and `eval_scores` of an arm, as
    `filled_arm` has it.

    Raises SrftError for `training.options` that training would refuse, and for a launch that the
    arm cannot have.
    """
    spec = filled_arm(spec, chosen)
    try:
        check_options({k: v for k, v in spec.training.options.items() if k not in OURS})
    except SrftError as error:
        raise SrftError(f"arm {spec.name}: {error}") from None
    trained = (masked_tokens_stage(spec), checkpoints_stage(spec))
    stages = (
        *((untrained_stage(spec),) if spec.training.method == "none" else trained),
        eval_scores_stage(spec, unsafe=_unsafe()),
    )
    family = "control" if spec.on_request else "arm"
    tagged = _tagged(stages, family, arm=spec.name, critic=spec.critic, gold=spec.gold)
    return [replace(stage, on_request=spec.on_request) for stage in tagged]


def _tagged(stages: Iterable[Stage], family: str, **more: str | None) -> list[Stage]:
    """The stages with what they are of; what is None is left out."""
    tags = {"family": family, **{name: value for name, value in more.items() if value}}
    return [replace(stage, tags=tags) for stage in stages]


def filled_arm(spec: ArmSpec, chosen: Settings) -> ArmSpec:
    """The arm with what its YAML leaves open and `chosen` has.

    Raises SrftError where that makes no sense, for a wrong `evaluation` of the project, and where a
    server of the evaluation takes less than the arm is trained with.
    """
    of_project = {
        **dict(chosen.launch),
        **dict(chosen.training),
        "batches": chosen.batches,
        "launch": chosen.launch.training,
    }
    named = TrainingSpec.model_fields.keys() - _undecided_length(spec.training, chosen)
    training = {k: _listed(v) for k, v in of_project.items() if k in named}
    open_ones = {"model": chosen.base_model, "too_long": chosen.training.too_long}
    spec = _filled(spec, {**open_ones, "evaluation": _evaluation(chosen)})
    played = _filled(spec.evaluation, {"launch": chosen.launch.evaluation})
    filled = spec.model_copy(
        update={"training": _filled(spec.training, training), "evaluation": played}
    )
    try:
        filled = ArmSpec.model_validate(filled.model_dump(exclude_unset=True))
    except ValidationError as error:
        reason = reason_of(error.errors()[0], ArmSpec)
        raise SrftError(f"arm {spec.name}: with what srft.yaml states: {reason}") from None
    served = filled.evaluation.serve.max_model_len if filled.evaluation.serve else None
    if served and served < filled.training.max_length:
        raise SrftError(
            f"arm {spec.name}: evaluation.serve.max_model_len {served} is below "
            f"training.max_length {filled.training.max_length}: the model would be cut short of "
            "what it learned"
        )
    return filled


def arm_of(name: str) -> ArmSpec:
    """The arm of this name, as the files and the settings of the project have it.

    Raises UsageError where there is none, SrftError as `load_stages`.
    """
    chosen, known = settings(), []
    for spec in (spec for path in component_files() for spec in specs_of_file(path)):
        if isinstance(spec, ArmSpec):
            known.append(spec.name)
            if spec.name == name:
                return filled_arm(spec, chosen)
    raise UsageError(f"no arm {name!r}; there are: {', '.join(sorted(known))}")


def _undecided_length(training: TrainingSpec, chosen: Settings) -> set[str]:
    """Settings of the project that say nothing of how long the arm trains."""
    if training.model_fields_set & {"epochs", "max_steps"}:
        return {"epochs", "max_steps"}
    return {"epochs"} if chosen.training.epochs is None else {"max_steps"}


def _evaluation(chosen: Settings) -> EvaluationSpec | None:
    """That of the project. Raises SrftError with file and line of what is wrong in it."""
    if chosen.evaluation is None:
        return None
    file = current_project().file
    spec: EvaluationSpec = parsed(file, EvaluationSpec, chosen.evaluation, ("evaluation",))
    return spec


Spec = TypeVar("Spec", bound=BaseModel)


def _filled(spec: Spec, chosen: dict[str, Any]) -> Spec:
    """The spec with what it does not state itself, and the project does."""
    left = {k: v for k, v in chosen.items() if v is not None and k not in spec.model_fields_set}
    return spec.model_copy(update=left)


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def comparisons(stages: list[Stage]) -> list[Stage]:
    """The comparison of all arms that are made without being named, where there are any."""
    scores = [s.key for s in stages if s.key.startswith(SCORES) and not s.on_request]
    return _tagged([comparison_stage(scores)], "comparison") if scores else []


def _unsafe() -> bool:
    return settings().unsafe


def _weak_tests() -> str | None:
    stated = settings().weak_tests
    return str(current_project().root / Path(stated).expanduser()) if stated else None


def _components(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Type and attributes of each component in a file."""
    documents = read_yaml(path)
    if not any(documents):
        raise SrftError(f"{path}: empty; state `type:` and `attributes:`, or remove the file")
    for document in documents:
        kind = document.get("type") if isinstance(document, dict) else None
        if not isinstance(kind, str):
            raise SrftError(f"{path}: no `type:`; compare the files beside it")
        if kind not in (*CRITIC_TYPES, *ARM_TYPES) and not _exists(kind):
            raise SrftError(f"{path}: no component of type {kind!r}; compare the files beside it")
        attributes = document.get("attributes") or {}
        if not isinstance(attributes, dict):
            raise SrftError(f"{path}: `attributes:` is no mapping of settings")
        yield kind, attributes


def _exists(kind: str) -> bool:
    """Whether somebody else's component is there; its assets are Dagster's affair."""
    module, _, name = kind.rpartition(".")
    try:
        return hasattr(import_module(module), name)
    except (ImportError, ValueError):
        return False
