"""What is installed beside the core: extras by their modules, other packages by entry points.

`srft.graders`: name of a grader → its `grade` (`outcomes.grader_choice.Grade`), in a package that
states `VERSION`, which is raised when outcomes change; its YAML files count as well.
`srft.environments`: name of an environment for rollouts → its `prepare`
(`rollouts.environments.Prepare`).
"""

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec

from srft_assets.errors import UsageError

GRADERS, ENVIRONMENTS = "srft.graders", "srft.environments"
OURS = {"local": "./plugins/srft-sdists", "sdist": "./plugins/srft-sdists"}
"""Names that a package of this repository stands behind."""
EXTRAS = {
    "train": ("torch", "trl", "peft", "accelerate", "datasets"),
    "rollout": ("minisweagent",),
    "grade": ("swebench", "docker"),
    "postgres": ("psycopg2", "dagster_postgres"),
    "ray": ("ray",),
}
"""Extra of `pyproject.toml` → modules that it brings."""


def need(*extras: str) -> None:
    """Raises UsageError, with the command that installs it, where an extra is not there."""
    lacking = [each for each in extras if not all(map(find_spec, EXTRAS[each]))]
    if lacking:
        wanted = ",".join(lacking)
        raise UsageError(f'this needs more packages: pip install "srft-assets[{wanted}]"')


@cache
def plugins(group: str) -> dict[str, EntryPoint]:
    """Name → entry point, of what is installed."""
    return {found.name: found for found in entry_points(group=group)}


def plugin(group: str, name: str) -> EntryPoint:
    """An entry point. Raises UsageError, which says what to install where it is known."""
    known = plugins(group)
    if name in known:
        return known[name]
    what = group.removeprefix("srft.").removesuffix("s")
    if name in OURS:
        raise UsageError(f"the {what} {name!r} is not installed: pip install {OURS[name]}")
    there = ", ".join(sorted(known)) or "none"
    raise UsageError(f"no {what} {name!r} is installed; there are: {there}")
