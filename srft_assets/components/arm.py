"""An arm as YAML: `defs/arms/<name>/defs.yaml` becomes three assets, or two if it is untrained."""

from typing import Any

import dagster as dg
from pydantic import BaseModel, ValidationError, create_model

from srft_assets.components.asset import build_asset, tags_of
from srft_assets.components.checks import sql_check
from srft_assets.components.scaffolding import ArmScaffolder, is_of_project
from srft_assets.errors import SrftError
from srft_assets.platform.stages import arm_stages, filled_arm
from srft_assets.project.settings import settings
from srft_assets.tokens.arm import ArmSpec, forbidden

_fields: dict[str, Any] = {
    name: (field.annotation, field)
    for name, field in ArmSpec.model_fields.items()
    if name != "name"
}
ArmAttributes = create_model("ArmAttributes", __config__=ArmSpec.model_config, **_fields)
"""An `ArmSpec` without its name, which is the folder's."""


@dg.scaffold_with(ArmScaffolder)
class Arm(dg.Component):
    """`masked_tokens/<name>`, `checkpoints/<name>` and `eval_scores/<name>`."""

    def __init__(self, spec: ArmSpec) -> None:
        self.spec = spec

    @classmethod
    def get_model_cls(cls) -> type[BaseModel]:
        """The schema of `attributes`."""
        return ArmAttributes

    @classmethod
    def load(cls, attributes: BaseModel | None, context: dg.ComponentLoadContext) -> "Arm":
        """The arm of this folder. Raises SrftError where its settings contradict each other."""
        stated = attributes.model_dump(exclude_unset=True) if attributes else {}
        try:
            return cls(ArmSpec(name=context.path.name, **stated))
        except ValidationError as error:
            reason = error.errors()[0]["msg"].removeprefix("Value error, ")
            raise SrftError(f"arm {context.path.name}: {reason}") from None

    def build_defs(self, context: dg.ComponentLoadContext | None = None) -> dg.Definitions:
        """Its assets, and a check that no token outside accepted steps is trained."""
        if is_of_project(context):
            return dg.Definitions()
        arm, chosen = self.spec.name, settings()
        stages = arm_stages(self.spec, chosen)
        assets = [build_asset(stage) for stage in stages]
        if self.spec.training.method == "none":
            return dg.Definitions(assets=assets)
        check = sql_check(
            f"masked_tokens/{arm}",
            "trained_tokens_accepted",
            "No token outside an accepted step is trained",
            {"arm": arm, **forbidden(filled_arm(self.spec, chosen))},
            tags_of(stages[0]),
        )
        return dg.Definitions(assets=assets, asset_checks=[check])
