"""What only some stages need is installed on demand: `pip install "srft-assets[train]"`."""

from importlib.util import find_spec

from srft_assets.errors import UsageError

PACKAGES = {
    "train": ("torch", "trl", "peft", "accelerate", "datasets"),
    "rollout": ("minisweagent",),
    "grade": ("swebench", "docker"),
}
"""Extra → modules of which `[project.optional-dependencies]` brings the packages."""


def need(*extras: str) -> None:
    """Raises UsageError, with the command that installs it, where an extra is not there."""
    lacking = [each for each in extras if not all(map(find_spec, PACKAGES[each]))]
    if lacking:
        wanted = ",".join(lacking)
        raise UsageError(f'this needs more packages: pip install "srft-assets[{wanted}]"')
