"""What was not accepted, and why. Every refusal ends in the `quarantine` view."""

from dataclasses import dataclass

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

    def line(self) -> str:
        """`file, row N: reason`, on one line."""
        where = self.source if self.row is None else f"{self.source}, row {self.row}"
        return f"{where}: {' '.join(self.reason.split())}"


def excerpt_of(text: str | bytes) -> str:
    """The first `EXCERPT_CHARS` characters of hostile text, printable, without line breaks."""
    if isinstance(text, bytes):
        text = text[: EXCERPT_CHARS * 4].decode("utf-8", "backslashreplace")
    head = text[:EXCERPT_CHARS]
    return "".join(char if char.isprintable() else " " for char in head)
