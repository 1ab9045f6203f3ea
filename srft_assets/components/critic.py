"""A critic as a folder: `defs/critics/<name>/` becomes `step_verdicts/<name>`."""

from dataclasses import replace
from pathlib import Path

import dagster as dg
from pydantic import BaseModel, RootModel

from srft_assets.components.asset import build_asset
from srft_assets.components.checks import verdicts_cover_steps
from srft_assets.components.critic_scores import critic_good_enough
from srft_assets.critic.llm.prompt_stage import prompt_stage
from srft_assets.critic.llm.stage import llm_stage
from srft_assets.critic.prompt.template import load_prompt
from srft_assets.critic.scores.stage import critic_scores_stage
from srft_assets.critic.spec import CriticSpec, RulesSpec
from srft_assets.critic.stage import rules_stage
from srft_assets.schemas import SCHEMAS
from srft_assets.warehouse.stage import Stage

PROMPT = "prompt.md"


class CriticAttributes(RootModel[CriticSpec]):
    """The schema of `attributes`: `kind: rules` or `kind: llm`."""


class Critic(dg.Component):
    """Labels every step of the runs it judges. The folder's name is the critic's name."""

    def __init__(self, folder: Path, spec: CriticSpec) -> None:
        self.folder = folder
        self.spec = spec

    @classmethod
    def get_model_cls(cls) -> type[BaseModel]:
        """The schema of `attributes`."""
        return CriticAttributes

    @classmethod
    def load(cls, attributes: BaseModel | None, context: dg.ComponentLoadContext) -> "Critic":
        """The critic of this folder."""
        stated = attributes.root if isinstance(attributes, CriticAttributes) else RulesSpec()
        return cls(context.path, stated)

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """`critic_prompt/<name>` where there is a prompt, `step_verdicts/<name>`,
        `critic_scores/<name>`, and their checks."""
        name, stages = self.folder.name, self.stages()
        return dg.Definitions(
            assets=[build_asset(stage, SCHEMAS, pool=pool) for stage, pool in stages],
            asset_checks=[
                verdicts_cover_steps(f"step_verdicts/{name}"),
                critic_good_enough(name, self.spec.good_enough),
            ],
        )

    def stages(self) -> list[tuple[Stage, str | None]]:
        """The stages of the critic, each with its pool. Raises SrftError for a bad prompt."""
        name, spec = self.folder.name, self.spec
        scores = critic_scores_stage(name)
        if isinstance(spec, RulesSpec):
            return [(rules_stage(name, description=spec.description), None), (scores, None)]
        prompt = load_prompt(self.folder / PROMPT, spec)
        return [
            (prompt_stage(name, spec, prompt), None),
            (llm_stage(name, spec, prompt), "critic"),
            (replace(scores, on_request=True), None),
        ]
