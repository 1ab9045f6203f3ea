"""Containers of a batch, as the daemon knows them: by a label that names platform and batch."""

import subprocess
from collections.abc import Sequence

from srft_assets.home import Home
from srft_assets.warehouse.recipe import digest

LABEL = "srft.rollout"
ANSWER_SECONDS = 60.0
"""A daemon that takes longer for an answer is taken for one that does not answer."""


def owner_of(home: Home, batch: str) -> str:
    """The label's value. Platforms that share a daemon may have batches of the same name."""
    return f"{batch}-{digest(str(home.root.resolve()))[:12]}"


def remove(
    containers: Sequence[str], executable: str = "docker", seconds: float = ANSWER_SECONDS
) -> None:
    """End containers and all that runs in them; those gone already are no failure.

    Nor is a daemon that does not answer: the runs are kept, and what is left ends by itself.
    """
    if containers:
        _asked([executable, "rm", "--force", *containers], seconds)


def left_by(owner: str, executable: str = "docker", seconds: float = ANSWER_SECONDS) -> list[str]:
    """Containers of a batch, such as a killed process left; none where Docker cannot be asked."""
    argv = [executable, "ps", "--all", "--quiet", "--filter", f"label={LABEL}={owner}"]
    return (_asked(argv, seconds) or "").split()


def is_running(container: str, executable: str = "docker", seconds: float = ANSWER_SECONDS) -> bool:
    """Whether commands can go on in the container; not where the daemon does not answer."""
    argv = [executable, "container", "inspect", "--format", "{{.State.Running}}", container]
    return (_asked(argv, seconds) or "").strip() == "true"


def _asked(argv: Sequence[str], seconds: float) -> str | None:
    """What Docker printed; None where it cannot be run, or does not answer in time."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=seconds)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout
