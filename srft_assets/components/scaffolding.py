"""`dg scaffold defs`: an arm or a critic of one's own, as a copy of one that is there."""

from contextlib import suppress

import dagster as dg
from click import ClickException
from pydantic import BaseModel, Field

from srft_assets.errors import UsageError
from srft_assets.platform.new_project import copy_into
from srft_assets.project.folder import YAML, own_files


def is_of_project(context: dg.ComponentLoadContext | None) -> bool:
    """Whether the file that Dagster loads is of the current project, whose critics and arms
    `definitions.own` builds."""
    return context is not None and context.path / YAML in own_files()


class Source(BaseModel):
    """What is copied."""

    source: str | None = Field(None, description="The arm (srft) or critic (default) to copy.")


class _Copying(dg.Scaffolder[Source]):
    kind, default = "", ""

    @classmethod
    def get_scaffold_params(cls) -> type[Source]:
        """The option `--source`."""
        return Source

    def scaffold(self, request: dg.ScaffoldRequest[Source]) -> None:
        """Copy. Raises ClickException for a bad name, an unknown source, and what is no folder."""
        try:
            if request.append or request.scaffold_format != "yaml":
                raise UsageError(f"{self.kind} are folders with a defs.yaml: leave --format away")
            copy_into(request.target_path, self.kind, request.params.source or self.default)
        except UsageError as error:
            with suppress(OSError):
                request.target_path.rmdir()  # dg made it, and would take it for what is there
            raise ClickException(str(error)) from None


class ArmScaffolder(_Copying):
    """`dg scaffold defs srft_assets.components.arm.Arm NAME --source srft`."""

    kind, default = "arms", "srft"


class CriticScaffolder(_Copying):
    """`dg scaffold defs srft_assets.components.critic.Critic NAME --source default`."""

    kind, default = "critics", "default"
