"""One process that helps, as seen from the process that started it."""

import os
import pickle
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from srft_assets.child import python
from srft_assets.errors import SrftError

ENVIRONMENT = {"POLARS_MAX_THREADS": "1"}
"""A helper has one core."""


class HelperError(SrftError):
    """A helper was killed, or could not do what it was asked."""


class Helper:
    """Neither forked nor started by `multiprocessing`: threads of polars would be left behind with
    their locks held, or a script that reads runs would be imported again, and read them again.
    """

    def __init__(self, folder: Path) -> None:
        """Start it; `folder` is where it leaves rows. Raises OSError where there is no room."""
        self.process = subprocess.Popen(
            python("srft_assets.trajectories.helper_main", str(folder)),
            env={**os.environ, **ENVIRONMENT},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )

    def call(self, work: Callable[[], Any]) -> Any:
        """What the call returns there. Raises HelperError where it fails or the process ends."""
        assert self.process.stdin is not None and self.process.stdout is not None
        try:
            pickle.dump(work, self.process.stdin, pickle.HIGHEST_PROTOCOL)
            self.process.stdin.flush()
            answer, error = pickle.load(self.process.stdout)
        except (OSError, EOFError, ValueError, pickle.UnpicklingError) as ended:
            raise HelperError(f"a helping process ended: {ended}") from ended
        if error is not None:
            raise HelperError(error)
        return answer

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    def end(self) -> None:
        """End it, whatever it does."""
        self.process.kill()
        self.process.wait()
