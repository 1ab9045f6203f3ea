"""Failures that a user can act on, and inputs that were refused."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from srft_assets.text import printable

if TYPE_CHECKING:
    from pydantic import ValidationError


class SrftError(Exception):
    """A failure told in one line: what is wrong, where, and what to do.

    The command line prints it without a traceback and exits 1.
    """


class WaitingError(SrftError):
    """Nothing is wrong: what was to be made waits, and the same command goes on with it later."""


class UsageError(SrftError):
    """The call itself is wrong; the command line exits 2."""


class SandboxMissingError(SrftError):
    """Commands would have to run outside a sandbox, which nobody allowed."""


def first_problem(error: "ValidationError") -> str:
    """Where a value first departs from its model, and how: `tasks.0.count: Field required`."""
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


def headline(error: BaseException) -> str:
    """The first line of another library's message; its type where there is none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


EXCERPT_CHARS = 200
INTERNAL = "internal error"
"""Begins the reason of a refusal that is a fault of the platform, and not of the input."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """One input that was refused while the rest of its batch went on.

    Attributes:
        source: the file (relative to the ingested root where possible) or the asset partition.
        reason: one line a person can act on.
        row: 0-based row within the source, None where the whole source is refused.
        subject: the trajectory or instance id, where it is known.
        excerpt: the first characters of the offending text; see `excerpt_of`.
    """

    source: str
    reason: str
    row: int | None = None
    subject: str | None = None
    excerpt: str = ""

    def place(self) -> str:
        """`file, row N`."""
        return self.source if self.row is None else f"{self.source}, row {self.row}"

    def line(self) -> str:
        """`file, row N: reason`, on one line."""
        return f"{self.place()}: {' '.join(self.reason.split())}"


def excerpt_of(text: str | bytes) -> str:
    """The first `EXCERPT_CHARS` characters of hostile text, printable, without line breaks."""
    if isinstance(text, bytes):
        text = text[: EXCERPT_CHARS * 4].decode("utf-8", "backslashreplace")
    return printable(text[:EXCERPT_CHARS])
