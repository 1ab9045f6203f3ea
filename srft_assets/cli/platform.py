"""What commands about partitions have in common: their options, the graph, and Dagster."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console

from srft_assets.cli.console import open_log, put, quoted, say
from srft_assets.cli.progress import progress
from srft_assets.errors import SrftError, UsageError
from srft_assets.home import Home, current_home
from srft_assets.project.folder import state_option
from srft_assets.text import some

if TYPE_CHECKING:
    import dagster as dg

    from srft_assets.components.launch import Applier
    from srft_assets.platform.planning import Notice, Outcome
    from srft_assets.warehouse.stage import Stage


WAITS = 4
"""Exit code where nothing failed, and something waits: for a budget, or a batch of a provider."""

Assets = Annotated[
    list[str] | None, typer.Argument(help="Assets, e.g. masked_tokens/srft; all if none.")
]
Batches = Annotated[list[str] | None, typer.Option("--batch", help="Only these batches.")]
Seeds = Annotated[
    list[str] | None, typer.Option("--seed", help="Only these seeds; see srft seeds.")
]
Critics = Annotated[
    list[str] | None, typer.Option("--critic", help="The verdicts of this critic, and its scores.")
]
Arms = Annotated[
    list[str] | None, typer.Option("--arm", help="All of this arm, to its evaluation.")
]


def _allow_unsafe(stated: bool) -> bool:
    if stated:
        state_option("SRFT_UNSAFE", "1", "--unsafe")
    return stated


Unsafe = Annotated[
    bool,
    typer.Option(
        "--unsafe", help="Run commands of models without a sandbox.", callback=_allow_unsafe
    ),
]
"""Option of commands that run what a model wrote; also understood as SRFT_UNSAFE=1."""


def _state_jobs(stated: int | None) -> int | None:
    if stated is not None:
        state_option("SRFT_JOBS", str(stated), "--jobs")
    return stated


Jobs = Annotated[
    int | None,
    typer.Option(
        help="Partitions of an asset made side by side; default: `jobs` of srft.yaml.",
        min=1,
        callback=_state_jobs,
    ),
]
"""Option of commands that make partitions; also understood as SRFT_JOBS."""


def _state_engine(stated: str | None) -> str | None:
    if stated is not None:
        state_option("SRFT_ENGINE", stated, "--engine")
    return stated


Engine = Annotated[
    Literal["local", "ray"] | None,
    typer.Option(
        help="Where they are made; default: `engine` of srft.yaml.", callback=_state_engine
    ),
]
"""Option of commands that make partitions; also understood as SRFT_ENGINE."""


class Platform:
    """Makes partitions for a command. Dagster is loaded where there is something to make.

    `settings`: of the resource of all its runs, `components.platform.Platform`.
    """

    def __init__(
        self, console: Console, home: Home, open: ExitStack, settings: Mapping[str, Any]
    ) -> None:
        self.console, self.home, self.open, self.settings = console, home, open, settings
        self._applier: Applier | None = None

    @cached_property
    def stages(self) -> "dict[str, Stage]":
        """The graph, as the files state it now. Raises SrftError for a file that is not sound."""
        with self.console.status("loading the platform"):
            from srft_assets.platform.stages import load_stages

            return load_stages()

    def apply(
        self, wanted: Sequence[str], batches: Sequence[str], seeds: Sequence[str]
    ) -> "Outcome":
        """Make what is out of sync of the wanted assets and all they need."""
        from srft_assets.platform.planning import Wish, nothing_to_make

        wish = Wish(wanted, batches, seeds)
        done = nothing_to_make(self.stages, self.home, wish)
        return done if done is not None else self._loaded().apply(wanted, batches, seeds)

    def notices(
        self, outcome: "Outcome", batches: Sequence[str], seeds: Sequence[str]
    ) -> "list[Notice]":
        """What the assets that were looked at would leave unsaid."""
        from srft_assets.platform.planning import Wish, notices
        from srft_assets.warehouse.plan import Snapshot

        looked_at = [self.stages[key] for key in outcome.kept]
        wish = Wish([], batches, seeds)
        return notices(looked_at, self.home, Snapshot(self.home.warehouse), wish.names)

    def _loaded(self) -> "Applier":
        if self._applier is None:
            with self.console.status("loading Dagster"):
                from srft_assets.components.launch import Applier, open_instance

                loaded = load_definitions()
                instance = self.open.enter_context(open_instance(self.home))
            open_log(self.home)
            told_to = self.open.enter_context(progress(self.console))
            self._applier = Applier(loaded, self.home, instance, told_to, self.settings)
        return self._applier


def load_definitions() -> "dg.Definitions":
    """The whole platform. Raises SrftError with the reason, less Dagster's tree of components.

    Files of critics and arms were read before, with errors of their own: what fails here is a
    component or a Python file that somebody added, or a fault of ours, which keeps its traceback.
    """
    from srft_assets.definitions import defs

    try:
        return defs()
    except Exception as error:  # whatever a component raises, Dagster wraps it
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        if cause is error and not isinstance(error, SrftError):
            raise
        told = str(cause) if isinstance(cause, SrftError) else f"{type(cause).__name__}: {cause}"
        raise SrftError(f"Dagster cannot load the definitions: {told}") from error


@contextmanager
def applier(console: Console, settings: Mapping[str, Any] | None = None) -> Iterator[Platform]:
    """The platform of the current home; its catalogue is up to date afterwards."""
    home = current_home()
    try:
        with ExitStack() as open:
            yield Platform(console, home, open, settings or {})
    finally:
        refresh_catalogue(home)


def refused_of(asset: str, names: Sequence[str]) -> int:
    """How many rows the partitions left out; `srft ingest` tells those of runs itself."""
    from srft_assets.warehouse.partitions import Warehouse

    if asset == "trajectories":
        return 0
    warehouse = Warehouse(current_home().warehouse)
    stamps = (warehouse.stamp(asset, name) for name in names)
    return sum(len(stamp.refused) for stamp in stamps if stamp)


def print_outcome(console: Console, outcome: "Outcome") -> None:
    """One line an asset that was made, failed or waits, and a count of what was in sync."""
    put(made=outcome.made, kept=outcome.kept, failed=outcome.failed, waiting=outcome.waiting)
    for asset, names in outcome.made.items():
        if names:
            refused = refused_of(asset, names)
            told = f"; {refused:,} refused: srft sql quarantine" if refused else ""
            say(console, f"made {asset}: {', '.join(names)}{told}")
    tell_failed(console, outcome)
    made, kept, failed, waiting = (
        sum(map(len, by_asset.values()))
        for by_asset in (outcome.made, outcome.kept, outcome.failed, outcome.waiting)
    )
    told = f"{made} {'partition' if made == 1 else 'partitions'} made, {kept} in sync"
    told += f", {failed} failed" if failed else ""
    told += f", {waiting} waiting" if waiting else ""
    if made or failed or waiting:
        say(console, f"{told}.")
    else:
        say(console, f"Nothing to make: all {kept} partitions are in sync.")


def say_notices(console: Console, notices: "Sequence[Notice]") -> None:
    """One line for each thing that partitions in sync would leave unsaid."""
    for notice in notices:
        mark = "[yellow]note[/]" if notice.said.warns else "note"
        say(console, f"{mark} {some(notice.assets)}: {quoted(notice.said.line)}")


def tell_failed(console: Console, outcome: "Outcome") -> None:
    """One line a partition that failed or waits."""
    for left, mark in ((outcome.failed, "[red]failed[/]"), (outcome.waiting, "[yellow]waits[/]")):
        for asset, reasons in left.items():
            for name, reason in reasons.items():
                say(console, f"{mark} {asset} {name}: {quoted(reason)}")


def end(outcome: "Outcome") -> None:
    """Raise SrftError where a partition failed, and exit where one waits, once all is told."""
    failed = sum(len(names) for names in outcome.failed.values())
    if failed:
        were = "1 partition" if failed == 1 else f"{failed} partitions"
        raise SrftError(f"{were} failed; mend what is told above, and run the same command again")
    if any(outcome.waiting.values()):
        raise typer.Exit(WAITS)


def refresh_catalogue(home: Home) -> None:
    """Bring the DuckDB file up to date: the SQL of this version, and calls not written yet."""
    from srft_assets.critic.calls import write_open_calls
    from srft_assets.platform.schemas import SCHEMAS
    from srft_assets.warehouse.catalogue import build_catalogue

    write_open_calls(home)
    build_catalogue(home, SCHEMAS)


def chosen_batches(home: Home, stated: list[str] | None) -> list[str]:
    """The stated batches, or all; a batch that was split answers to the name it was given.

    Raises UsageError for one that was never ingested.
    """
    from srft_assets.trajectories.batches import batch_names, family_of

    known, family = batch_names(home), family_of(home)
    chosen: dict[str, None] = {}
    for name in stated or known:
        parts = [one for one in known if name == one or (stated and name == family(one))]
        if not parts:
            there = ", ".join(known) or "none yet"
            raise UsageError(f"no batch {name!r}; there are: {there}")
        chosen |= dict.fromkeys(parts)
    return list(chosen)


def needed_batches(home: Home, stated: list[str] | None) -> list[str]:
    """As `chosen_batches`; raises SrftError where there is none at all."""
    if batches := chosen_batches(home, stated):
        return batches
    raise SrftError("there are no batches yet: srft ingest PATH, or srft demo")


def chosen_seeds(home: Home, stated: list[str] | None) -> list[str]:
    """The stated seeds, or all that were asked for. Raises UsageError for what is no number."""
    from srft_assets.seeds import asked_seeds, check_seed

    return [check_seed(name) for name in stated] if stated else asked_seeds(home)


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
