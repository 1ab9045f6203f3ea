"""Which text protocol a run uses, and what a turn means in it."""

from collections.abc import Callable, Iterable
from itertools import islice

from srft_assets.trajectories.text_actions import (
    MSWEA,
    Split,
    bash_fences,
    command_tag,
    execute_tags,
    function_calls,
    last_fence,
    mswea_fences,
    prose,
)

Protocol = Callable[[str], Split]
TELLING_TURNS = 10

MARKED: tuple[tuple[str, Protocol], ...] = (
    ("<function=", function_calls),
    ("<execute_", execute_tags),
    (MSWEA, mswea_fences),
    ("<command>", command_tag),
)
"""Protocols whose mark cannot be mistaken for prose."""
PROTOCOLS = (*MARKED, ("```bash\n", bash_fences), ("```", last_fence))
MARKS = tuple((place, mark) for place, (mark, _) in enumerate(PROTOCOLS))
FENCES = tuple((place, mark) for place, mark in MARKS if "<" not in mark)


def protocol_of(texts: Iterable[str]) -> Protocol:
    """The protocol that most turns of a run use; `prose` where none uses any.

    A run has one protocol: a fence in the prose of an OpenHands turn is not an action. The
    first turns tell which.
    """
    counts = [0] * len(PROTOCOLS)
    for text in islice(texts, TELLING_TURNS):
        for place, mark in MARKS if "<" in text else FENCES:
            if mark in text:
                counts[place] += 1
                break
    most = max(counts)
    return PROTOCOLS[counts.index(most)][1] if most else prose


def split_action(text: str, protocol: Protocol) -> Split:
    """Thought and actions of one turn.

    Where the run's protocol finds nothing, the marked ones are tried: a model sometimes
    submits in the protocol that it was trained on.
    """
    thought, actions = protocol(text)
    if actions or protocol is prose:
        return thought, actions
    for mark, other in MARKED:
        if other is not protocol and mark in text:
            return other(text)
    return thought, actions
