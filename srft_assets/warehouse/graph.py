"""The graph of stages: in which order they are made, and what hangs on what."""

from collections.abc import Iterable, Mapping

from srft_assets.errors import UsageError
from srft_assets.warehouse.stage import Stage


def in_order(stages: Mapping[str, Stage]) -> list[Stage]:
    """The stages, upstream first; among equals, by key. Edges to unknown stages are ignored."""
    done: dict[str, Stage] = {}

    def visit(stage: Stage) -> None:
        if stage.key in done:
            return
        for edge in stage.upstream:
            if edge.asset in stages:
                visit(stages[edge.asset])
        done[stage.key] = stage

    for key in sorted(stages):
        visit(stages[key])
    return list(done.values())


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


def with_downstream(stages: Mapping[str, Stage], wanted: Iterable[str]) -> dict[str, Stage]:
    """The wanted stages and all that depends on them. Raises UsageError for an unknown key."""
    chosen = {key: stages[key] for key in with_upstream(stages, wanted) if key in set(wanted)}
    for stage in in_order(stages):
        if any(edge.asset in chosen for edge in stage.upstream):
            chosen[stage.key] = stage
    return chosen
