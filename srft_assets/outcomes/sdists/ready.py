"""An instance, made ready to be graded: source, environment, and what its own fix does."""

from dataclasses import dataclass
from pathlib import Path

from srft_assets.home import Home
from srft_assets.outcomes.choice import Grading
from srft_assets.outcomes.sdists.cache import Cache
from srft_assets.outcomes.sdists.checked import Checked, checked
from srft_assets.outcomes.sdists.environment import Environment, environment_of
from srft_assets.outcomes.sdists.errors import NotBuiltError
from srft_assets.outcomes.sdists.recipes import Recipe, recipe_of
from srft_assets.outcomes.sdists.source import Source, source_of
from srft_assets.outcomes.task import TaskInstance
from srft_assets.sandbox import Limits


@dataclass(frozen=True, slots=True)
class Ready:
    """An instance that can be graded."""

    recipe: Recipe
    source: Source
    environment: Environment
    known: Checked


def make_ready(task: TaskInstance, home: Home, grading: Grading) -> Ready:
    """Get source and environment, and try the instance with its reference solution.

    All of it is kept. Raises NotBuiltError with the reason where it cannot be graded.
    """
    cache = Cache.of(home)
    recipe = recipe_of(task)
    source = source_of(task, cache, Path(grading.sources) if grading.sources else None)
    environment = environment_of(task, source.release, cache)
    known = checked(task, recipe, source, environment, limits_of(grading), cache)
    if known.reason:
        raise NotBuiltError(known.reason)
    return Ready(recipe, source, environment, known)


def limits_of(grading: Grading) -> Limits:
    """Bounds of one test run."""
    return Limits(
        wall_seconds=grading.timeout,
        cpu_seconds=grading.timeout,
        memory_mb=int(grading.memory_gb * 1024),
        file_mb=256,
        processes=512,
    )
