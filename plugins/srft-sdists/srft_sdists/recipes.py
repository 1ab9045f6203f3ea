"""How each repository's tests are run: the table `recipes.yaml`."""

from functools import cache
from pathlib import Path
from typing import Literal

import yaml
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version
from pydantic import BaseModel, ConfigDict, field_validator

from srft_assets.outcomes.task import TaskInstance
from srft_sdists.build import NotBuiltError

TABLE = Path(__file__).with_name("recipes.yaml")


class EnvironmentRecipe(BaseModel):
    """What the versions of one range need."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    versions: str
    """Range of `TaskInstance.version` (PEP 440)."""
    python: tuple[str, ...] = ()
    """Minor versions, the first that this machine has is taken; else the platform's own."""
    requires: tuple[str, ...] = ()

    @field_validator("versions")
    @classmethod
    def _is_a_range(cls, value: str) -> str:
        SpecifierSet(value)
        return value


class Recipe(BaseModel):
    """One repository; the fields are explained in the table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    project: str
    runner: Literal["django", "pytest", "sympy"]
    path: tuple[str, ...] = (".",)
    tests: tuple[str, ...]
    missing: dict[str, str] = {}
    requires: tuple[str, ...] = ()
    environments: tuple[EnvironmentRecipe, ...]

    def environment(self, task: TaskInstance) -> EnvironmentRecipe:
        """That of the task's version. Raises NotBuiltError where there is none."""
        version = version_of(task)
        for one in self.environments:
            if SpecifierSet(one.versions).contains(version, prereleases=True):
                return one
        raise NotBuiltError(f"no recipe for {task.repo} {task.version}")


def recipe_of(task: TaskInstance) -> Recipe:
    """The recipe of the task's repository. Raises NotBuiltError where there is none."""
    try:
        return recipes()[task.repo]
    except KeyError:
        raise NotBuiltError(
            f"no recipe for {task.repo}; those of recipes.yaml: {', '.join(recipes())}"
        ) from None


def version_of(task: TaskInstance) -> Version:
    """`TaskInstance.version`. Raises NotBuiltError for what is no version."""
    try:
        return Version(task.version)
    except InvalidVersion:
        raise NotBuiltError(f"{task.instance_id}: bad version {task.version!r}") from None


@cache
def recipes() -> dict[str, Recipe]:
    """Repository → recipe."""
    table = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    return {repo: Recipe.model_validate(row) for repo, row in table.items()}
