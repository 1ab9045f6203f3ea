"""A critic as a folder: `defs/critics/<name>/` becomes `step_verdicts/<name>`."""

from pathlib import Path

import dagster as dg
from pydantic import BaseModel, RootModel

from srft_assets.components.asset import build_asset
from srft_assets.components.checks import critic_good_enough, sql_check
from srft_assets.components.scaffolding import CriticScaffolder, is_of_project
from srft_assets.critic.spec import CriticSpec, RulesSpec
from srft_assets.platform.stages import critic_stages
from srft_assets.project.settings import settings


class CriticAttributes(RootModel[CriticSpec]):
    """The schema of `attributes`: `kind: rules` or `kind: llm`."""


@dg.scaffold_with(CriticScaffolder)
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

    def build_defs(self, context: dg.ComponentLoadContext | None = None) -> dg.Definitions:
        """`critic_prompt/<name>` where there is a prompt, `step_verdicts/<name>`,
        `critic_scores/<name>`, and their checks. Raises SrftError for a bad prompt."""
        if is_of_project(context):
            return dg.Definitions()
        name = self.folder.name
        return dg.Definitions(
            assets=[
                build_asset(stage) for stage in critic_stages(self.folder, self.spec, settings())
            ],
            asset_checks=[
                sql_check(
                    f"step_verdicts/{name}",
                    "verdicts_cover_steps",
                    "Every step of every judged run has exactly one verdict, and no other step has",
                    {"critic": name},
                    {"critic": name, "family": "critic"},
                ),
                critic_good_enough(name, self.spec.good_enough),
            ],
        )
