"""Return codes, as scaffolds write them into the observation's text."""

import re

OPENING = re.compile(r"<returncode>\s*(-?\d{1,9})\s*</returncode>")
CLOSING = re.compile(
    r"ommand (?:"
    r"(?:(?<=\[Command )|(?<=\[The command ))"
    r"(?:-?\d{1,9} )?(?:finished|completed) with exit code (-?\d{1,9})\.?\]"
    r"|exit(?:ed with)? (?:status|code):? (-?\d{1,9})\b)"
)
"""Begins with plain letters, for which the engine searches fast."""
MARKS = ("<returncode>", "<exception>")
EDGE_CHARS = 1000
"""Only this much at the beginning or the end of an observation is the scaffold's own."""


def return_code(observation: str) -> int | None:
    """The code of the command that an observation answers; None where it states none.

    mini-swe-agent opens with `<returncode>N</returncode>`, possibly after an `<exception>`;
    OpenHands closes with `[Command finished with exit code N]` (and its older wordings), with
    the working directory and the interpreter around it. -1 of OpenHands means that the command
    has not ended, and is None.
    """
    if observation.startswith(MARKS) or observation[:EDGE_CHARS].lstrip().startswith(MARKS):
        found = OPENING.search(observation)
        return int(found[1]) if found else None
    tail = observation[-EDGE_CHARS:]
    stated = CLOSING.findall(tail)
    if not stated:
        return None
    code = int(stated[-1][0] or stated[-1][1])
    return None if code == -1 else code
