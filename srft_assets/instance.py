"""The folder of the Dagster instance, without Dagster: its settings, and locks of open runs.

Each run of a command holds a lock while it is open, and removes its file at its end. The kernel
frees the lock when the process dies, so that a file without a holder tells of a killed run.
"""

import os
from pathlib import Path
from urllib.parse import unquote

from srft_assets.errors import UsageError
from srft_assets.files import place, private
from srft_assets.home import CHECKOUT, Home
from srft_assets.locks import exclusive

POSTGRES = b"""
# The history of all machines lies in the database of the platform.
storage:
  postgres:
    postgres_url:
      env: SRFT_DATABASE
"""


def prepare_instance(home: Home) -> Path:
    """Make `<home>/dagster_home` with its settings, and return it.

    A `dagster.yaml` that is already there is the user's and stays as it is. Raises UsageError for
    a folder that cannot be written, or whose name Dagster would read as part of a URL.
    """
    if "?" in str(home.root) or unquote(str(home.root)) != str(home.root):
        raise UsageError(
            f"{home.root}: Dagster cannot keep its databases in a folder with ? or %-codes in its "
            "name; choose another SRFT_HOME"
        )
    try:
        private(home.dagster)
        home.dagster.chmod(0o700)  # of a checkout it is there already
    except OSError as error:
        raise UsageError(f"{home.dagster} cannot be made: {error.strerror}") from error
    if not os.access(home.dagster, os.W_OK):
        raise UsageError(f"{home.dagster} cannot be written; choose another SRFT_HOME")
    settings = home.dagster / "dagster.yaml"
    url = home.database_url
    shared = url.startswith("postgresql")
    if shared:
        os.environ["SRFT_DATABASE"] = url  # the name that POSTGRES states
    if not settings.exists():
        place(settings, shipped_settings().read_bytes() + (POSTGRES if shared else b""))
    return home.dagster


def shipped_settings() -> Path:
    """Our `dagster.yaml`: in the checkout, or beside the package when it was installed."""
    checkout = CHECKOUT / "dagster_home" / "dagster.yaml"
    return checkout if checkout.exists() else Path(__file__).parent / "dagster.yaml"


def lock_of_run(home: Home, name: str) -> Path:
    """The lock of an open run of a command."""
    return home.dagster / "open_runs" / f"{name}.lock"


def is_free(lock: Path) -> bool:
    """Whether nobody holds it."""
    with exclusive(lock, wait=False) as free:
        return free


def locks_of_killed(home: Home) -> list[Path]:
    """Locks of runs whose process was killed: Dagster takes these runs for open."""
    return [path for path in lock_of_run(home, "*").parent.glob("*.lock") if is_free(path)]
