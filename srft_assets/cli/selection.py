"""Which part of the graph a command speaks of."""

from typing import TYPE_CHECKING, Annotated

import typer

from srft_assets.errors import UsageError

if TYPE_CHECKING:
    from srft_assets.warehouse.stage import Stage

Assets = Annotated[
    list[str] | None, typer.Argument(help="Assets, e.g. masked_tokens/srft; all if none.")
]
Batches = Annotated[list[str] | None, typer.Option("--batch", help="Only these batches.")]
Seeds = Annotated[list[str] | None, typer.Option("--seed", help="Only these seeds; 0 if none.")]
Critics = Annotated[
    list[str] | None, typer.Option("--critic", help="The verdicts of this critic, and its scores.")
]
Arms = Annotated[
    list[str] | None, typer.Option("--arm", help="All of this arm, to its evaluation.")
]


def wanted_assets(
    stages: "dict[str, Stage]",
    assets: list[str] | None,
    critics: list[str] | None,
    arms: list[str] | None,
) -> list[str]:
    """Keys of the assets that are named one way or another; none: no choice was made.

    Raises UsageError for a critic or an arm that does not exist.
    """
    chosen = list(assets or [])
    for kind, ends, names in (
        ("critic", ("step_verdicts", "critic_scores"), critics),
        ("arm", ("eval_scores",), arms),
    ):
        known = [key.rpartition("/")[2] for key in stages if key.split("/")[0] == ends[0]]
        for name in names or []:
            if name not in known:
                raise UsageError(f"no {kind} {name!r}; there are: {', '.join(sorted(known))}")
            chosen += [f"{end}/{name}" for end in ends if f"{end}/{name}" in stages]
    return chosen
