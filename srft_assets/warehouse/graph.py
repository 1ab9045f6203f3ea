"""The graph of stages: in which order they are made, and what hangs on what."""

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
    """The wanted stages and all they depend on. Raises UsageError for an unknown key."""
    chosen: dict[str, Stage] = {}
    queue = list(wanted)
    while queue:
        key = queue.pop()
        if key not in stages:
            raise UsageError(f"no asset {key!r}; there are: {', '.join(sorted(stages))}")
        if key not in chosen:
            chosen[key] = stages[key]
            queue += [edge.asset for edge in stages[key].upstream]
    return chosen


def unasked(stages: Mapping[str, Stage]) -> dict[str, Stage]:
    """What is made when nothing is named: all but what costs money and nothing else needs."""
    return with_upstream(stages, [key for key, stage in stages.items() if not stage.on_request])
