"""A critic as YAML: `defs/critics/<name>/defs.yaml` becomes `step_verdicts/<name>`."""

from typing import Literal

import dagster as dg
from pydantic import BaseModel, ConfigDict

from srft_assets.components.asset import build_asset
from srft_assets.components.checks import verdicts_cover_steps
from srft_assets.components.schemas import SCHEMAS
from srft_assets.critic.stage import rules_stage


class CriticSpec(BaseModel):
    """What a critic's YAML says."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["rules"] = "rules"
    """`rules`: fixed rules, no model."""
    description: str = ""


class Critic(dg.Component):
    """Labels every step of every run. The folder's name is the critic's name."""

    def __init__(self, name: str, spec: CriticSpec) -> None:
        self.name = name
        self.spec = spec

    @classmethod
    def get_model_cls(cls) -> type[BaseModel]:
        """The schema of `attributes`."""
        return CriticSpec

    @classmethod
    def load(cls, attributes: BaseModel | None, context: dg.ComponentLoadContext) -> "Critic":
        """The critic of this folder."""
        spec = attributes if isinstance(attributes, CriticSpec) else CriticSpec()
        return cls(context.path.name, spec)

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """The asset `step_verdicts/<name>` and its check."""
        stage = rules_stage(self.name, description=self.spec.description)
        return dg.Definitions(
            assets=[build_asset(stage, SCHEMAS)],
            asset_checks=[verdicts_cover_steps(stage.key)],
        )
