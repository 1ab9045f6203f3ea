"""All stages of the platform: the fixed ones, and those that YAML below `defs/` states.

`srft plan` reads them here without Dagster; the components of `srft_assets.components` make the
same stages into assets.
"""

import os
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from srft_assets.compare.stage import SCORES, comparison_stage
from srft_assets.critic.gold.stage import gold_labels_stage
from srft_assets.critic.prompt.template import load_prompt
from srft_assets.critic.scores import critic_scores_stage
from srft_assets.critic.spec import CriticSpec, RulesSpec
from srft_assets.critic.stages import llm_stage, prompt_stage, rules_stage
from srft_assets.errors import SrftError
from srft_assets.lab.base import base_models_stage
from srft_assets.lab.teacher import VERSION as LAB_VERSION
from srft_assets.lab.teacher import collect
from srft_assets.outcomes.stage import test_outcomes_stage
from srft_assets.rollouts.player import collect as play_rollouts
from srft_assets.rollouts.settings import KIND as ROLLOUT
from srft_assets.rollouts.settings import VERSION as ROLLOUT_VERSION
from srft_assets.rollouts.stage import eval_scores_stage
from srft_assets.tokens.arm import ArmSpec
from srft_assets.tokens.stage import masked_tokens_stage
from srft_assets.training.options import check_options
from srft_assets.training.stage import OURS, checkpoints_stage
from srft_assets.trajectories.stage import trajectories_stage
from srft_assets.warehouse.stage import Stage

DEFS = Path(__file__).parent / "defs"
COMPONENTS = "srft_assets.components"
CRITIC_TYPES = (f"{COMPONENTS}.critic.Critic", f"{COMPONENTS}.Critic")
ARM_TYPES = (f"{COMPONENTS}.arm.Arm", f"{COMPONENTS}.Arm")
PROMPT = "prompt.md"


def load_stages(folder: Path = DEFS) -> dict[str, Stage]:
    """Stage by asset key, as the files below `folder` state them now.

    Raises SrftError with file, line and fix for YAML or a prompt that states no sound component.
    """
    stages = fixed_stages()
    for path in sorted(folder.rglob("defs.yaml")):
        for kind, attributes in _components(path):
            if kind in CRITIC_TYPES:
                stages += critic_stages(path.parent, _parsed(path, CriticSpec, attributes))
            elif kind in ARM_TYPES:
                stated = {"name": path.parent.name, **attributes}
                stages += arm_stages(_parsed(path, ArmSpec, stated))
    return {stage.key: stage for stage in [*stages, *comparisons(stages)]}


def fixed_stages() -> list[Stage]:
    """Runs, what the tests said of them, gold labels, and the base model of the default."""
    return [
        trajectories_stage(
            collectors={"lab": collect, ROLLOUT: play_rollouts},
            collector_versions={"lab": LAB_VERSION, ROLLOUT: ROLLOUT_VERSION},
        ),
        test_outcomes_stage(unsafe=_unsafe()),
        gold_labels_stage(),
        base_models_stage(),
    ]


def critic_stages(folder: Path, spec: CriticSpec) -> list[Stage]:
    """`critic_prompt` where there is a prompt, `step_verdicts` and `critic_scores`.

    The folder's name is the critic's. Raises SrftError for a prompt that is not sound.
    """
    name = folder.name
    scores = critic_scores_stage(name)
    if isinstance(spec, RulesSpec):
        return [rules_stage(name, description=spec.description), scores]
    prompt = load_prompt(folder / PROMPT, spec)
    return [
        prompt_stage(name, spec, prompt),
        llm_stage(name, spec, prompt),
        replace(scores, on_request=True),
    ]


def arm_stages(spec: ArmSpec) -> list[Stage]:
    """`masked_tokens`, `checkpoints` and `eval_scores` of an arm.

    Raises SrftError for `training.options` that training would refuse.
    """
    try:
        check_options({k: v for k, v in spec.training.options.items() if k not in OURS})
    except SrftError as error:
        raise SrftError(f"arm {spec.name}: {error}") from None
    stages = (
        masked_tokens_stage(spec),
        checkpoints_stage(spec),
        eval_scores_stage(spec, unsafe=_unsafe()),
    )
    return [replace(stage, on_request=spec.on_request) for stage in stages]


def comparisons(stages: list[Stage]) -> list[Stage]:
    """The comparison of all arms that are made without being named, where there are any."""
    scores = [s.key for s in stages if s.key.startswith(SCORES) and not s.on_request]
    return [comparison_stage(scores)] if scores else []


def _unsafe() -> bool:
    return os.environ.get("SRFT_UNSAFE") == "1"


def _components(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Type and attributes of each component in a file."""
    try:
        documents = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise SrftError(f"{path}:{line}: no YAML: {error.problem}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SrftError(f"{path}: no YAML: {error}") from None
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


def _parsed(path: Path, model: Any, attributes: dict[str, Any]) -> Any:
    """The spec. Raises SrftError that names file, line and setting of each that is wrong."""
    try:
        return TypeAdapter(model).validate_python(attributes)
    except ValidationError as error:
        root = yaml.compose(path.read_text(encoding="utf-8"))
        told = []
        for one in error.errors():
            reason = one["msg"].removeprefix("Value error, ")
            where = ".".join(str(part) for part in one["loc"])
            line = _line(root, ("attributes", *one["loc"]))
            told.append(
                f"{path}:{line}: {where + ': ' if where else ''}{reason[:1].lower()}{reason[1:]}"
            )
        raise SrftError("; ".join(told)) from None


def _line(node: yaml.Node | None, keys: tuple[str | int, ...]) -> int:
    """The line of the innermost of the nested keys that stands in the YAML, counted from 1."""
    line = node.start_mark.line + 1 if node else 1
    for key in keys:
        if isinstance(node, yaml.MappingNode):
            found = next(((k, v) for k, v in node.value if k.value == str(key)), None)
            if found is not None:
                line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int) and node.value[key:]:
            node = node.value[key]
            line = node.start_mark.line + 1
    return line
