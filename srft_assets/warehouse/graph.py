"""The graph of stages: in which order they are made, and what hangs on what."""

import difflib
from collections.abc import Iterable, Mapping

from srft_assets.errors import UsageError
from srft_assets.warehouse.stage import Stage


def in_order(stages: Mapping[str, Stage]) -> list[Stage]:
    """The stages, upstream first: by the longest way from a source, then by key.

    Edges to unknown stages are ignored.
    """
    depths: dict[str, int] = {}

    def depth(key: str) -> int:
        if key not in depths:
            above = [edge.asset for edge in stages[key].upstream if edge.asset in stages]
            depths[key] = 1 + max(map(depth, above), default=0)
        return depths[key]

    return [stages[key] for key in sorted(stages, key=lambda key: (depth(key), key))]


def with_upstream(stages: Mapping[str, Stage], wanted: Iterable[str]) -> dict[str, Stage]:
    """The wanted stages and all they depend on.

    Raises UsageError for an unknown key, with the stage that needs it and the keys like it.
    """
    chosen: dict[str, Stage] = {}
    queue = [(key, "") for key in wanted]
    while queue:
        key, needing = queue.pop()
        if key not in stages:
            needed = f", which {needing} needs" if needing else ""
            raise UsageError(f"no asset {key!r}{needed}; {_near(key, stages)}")
        if key not in chosen:
            chosen[key] = stages[key]
            queue += [(edge.asset, key) for edge in stages[key].upstream]
    return chosen


def _near(key: str, stages: Mapping[str, Stage]) -> str:
    """The keys that may have been meant: misspelt, or of that critic or arm; else all."""
    of_that_name = [known for known in sorted(stages) if key in known.split("/")]
    close = of_that_name or difflib.get_close_matches(key, sorted(stages), n=3, cutoff=0.7)
    return (
        f"did you mean {', '.join(close)}?" if close else f"there are: {', '.join(sorted(stages))}"
    )


def unasked(stages: Mapping[str, Stage]) -> dict[str, Stage]:
    """What is made when nothing is named: all but what costs money and nothing else needs."""
    return with_upstream(stages, [key for key, stage in stages.items() if not stage.on_request])
