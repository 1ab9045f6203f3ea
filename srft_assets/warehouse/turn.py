"""A turn of making a partition: who comes back late does not overwrite what a later turn wrote.

A lock may be lost without its holder hearing of it: its host was cut off, and the file server gave
the lock to another one. So each turn has a number, higher than those before it. A writer writes
beside the target, in a file whose name has its number; then asks whether its turn is the last; then
renames. A later turn takes its number first, and then removes what earlier ones wrote beside the
target. So whoever was told that its turn is the last either renames before the later one does, or
finds its file gone: no moment in between is left.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from srft_assets.errors import SrftError

MARK = re.compile(r"\.(\d+)-[0-9a-f]+\.tmp$")
"""What the name of a file ends in that is to take the place of a partition."""


class LateError(SrftError):
    """A later turn began meanwhile."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn, or none of number 0: what is made by one process alone.

    Attributes:
        name: `asset/partition`.
        last: asks for the number of the last turn that has begun.
    """

    name: str = ""
    number: int = 0
    last: Callable[[], int] = int

    @property
    def mark(self) -> str:
        """What stands in the name of a file that is written beside its target."""
        return f"{self.number}-" if self.number else ""

    def check(self) -> None:
        """Raises LateError where another turn has begun since."""
        if (last := self.last()) != self.number:
            raise LateError(
                f"{self.name}: while this host was away another one began to make it (turn {last} "
                f"after {self.number}): what that one writes stays"
            )

    def remove_earlier(self, target: Path) -> None:
        """Remove what earlier turns wrote beside the target, be they alive or not."""
        for path in target.parent.glob(f".{target.name}.*.tmp") if self.number else ():
            found = MARK.search(path.name)
            if found and int(found[1]) < self.number:
                path.unlink(missing_ok=True)


NO_TURN = Turn()
