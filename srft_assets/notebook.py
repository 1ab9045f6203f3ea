"""The platform from a notebook: what the commands do, as functions that return frames and objects.

They work on the platform that `open_home` opened, else on that of `SRFT_HOME`. Dagster, torch and
transformers are imported only by the functions that need them.
"""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from srft_assets.errors import Refusal
from srft_assets.home import Home, current_home

if TYPE_CHECKING:
    from numpy import float32, int32
    from numpy.typing import NDArray

    from srft_assets.compare import Comparison
    from srft_assets.critic.verdict import Verdict
    from srft_assets.exports.export import Exported
    from srft_assets.platform.planning import Outcome
    from srft_assets.show.find import Found
    from srft_assets.tokens.token_labels import MaskedRow
    from srft_assets.tokens.tokenizer import ChatTokenizer
    from srft_assets.trajectories.ingest import IngestPlan
    from srft_assets.trajectories.model import Trajectory


_PLAN: dict[str, Any] = {
    "asset": pl.String,
    "partition": pl.String,
    "state": pl.String,
    "why": pl.List(pl.String),
    "calls": pl.Int64,
    "answered": pl.Int64,
    "tokens_to_train": pl.Int64,
}


def open_home(folder: str | Path) -> Home:
    """Work on the platform in a folder, which need not exist yet, in this process from now on."""
    os.environ["SRFT_HOME"] = str(Path(folder).expanduser().absolute())
    return current_home()


def ingest(
    paths: Sequence[str | Path],
    *,
    batch: str | None = None,
    format: str | None = None,
) -> "IngestPlan":
    """Register recorded runs in batches and write their `trajectories`, like `srft ingest`.

    Their outcomes are made by `apply`. Raises UsageError where nothing can be read.
    """
    from srft_assets.trajectories.ingest import ingest as register

    done = register(current_home(), paths, batch=batch, format=format)
    _refresh()
    return done


def batch_names() -> list[str]:
    """The names of all batches, sorted."""
    from srft_assets.trajectories.batches import batch_names as names

    return names(current_home())


def plan(
    assets: Sequence[str] = (),
    *,
    batches: Sequence[str] | None = None,
    seeds: Sequence[str] = ("0",),
    exact: bool = False,
) -> pl.DataFrame:
    """What is missing, stale or in sync, and why, like `srft plan`.

    Returns one row a partition: `asset`, `partition`, `state`, `why` (a list of reasons), `calls`
    (critic calls that it takes), `answered` (those that the ledger answers) and `tokens_to_train`.
    `assets` are keys such as `masked_tokens/srft`, taken with all they need; none: everything.
    """
    from srft_assets.platform.stages import load_stages
    from srft_assets.warehouse.partitions import Warehouse
    from srft_assets.warehouse.plan import Costs, make_plan
    from srft_assets.warehouse.stage import with_upstream

    at, stages = current_home(), load_stages()
    names = {"batch": batch_names() if batches is None else batches, "seed": seeds}
    chosen = with_upstream(stages, list(assets) or list(stages))
    costs = Costs.EXACT if exact else Costs.ESTIMATED
    items = make_plan(chosen, at, Warehouse(at.warehouse), lambda kind: names[kind], costs=costs)
    rows = [
        {
            "asset": item.asset,
            "partition": item.partition,
            "state": str(item.state),
            "why": list(item.why),
            "calls": item.cost.calls if item.cost else 0,
            "answered": item.cost.answered if item.cost else 0,
            "tokens_to_train": item.cost.tokens_to_train if item.cost else 0,
        }
        for item in items
    ]
    return pl.DataFrame(rows, schema=_PLAN)


def apply(
    assets: Sequence[str] = (),
    *,
    batches: Sequence[str] | None = None,
    seeds: Sequence[str] = ("0",),
) -> "Outcome":
    """Make what is out of sync of the assets and all they need, like `srft apply`.

    Returns what was made, left alone and failed, by asset. Raises SrftError where a run fails as a
    whole; a partition that fails stops only what is behind it.
    """
    from rich.console import Console

    from srft_assets.cli.platform import applier

    with applier(Console()) as platform:
        return platform.apply(list(assets), list(batches or batch_names()), list(seeds))


def sql(query: str, **parameters: Any) -> pl.DataFrame:
    """The rows of a SELECT, of a named query, or of a table or view, like `srft sql`.

    `$name` in the query is the parameter of that name. Raises SrftError for what is refused: the
    query can read the warehouse, and nothing else.
    """
    from srft_assets.warehouse.query import run_query

    _refresh()
    return run_query(current_home(), query, parameters or None)


def find_run(name: str, *, arm: str | None = None, critic: str | None = None) -> "Found":
    """A run by the beginning of its id, or by its instance, with verdicts, outcome, masked rows.

    Raises UsageError where no run or several fit, or several critics judged it and none is named.
    """
    from srft_assets.show.find import find_run as find

    return find(current_home(), name, arm=arm, critic=critic)


def show_run(found: "Found") -> None:
    """Print a run step by step, like `srft show`; text of the run is never read as markup."""
    from rich.console import Console

    from srft_assets.show.run import render_run

    shown = render_run(found.run, found.verdicts, found.outcome, found.rows, found.tokenizer)
    Console().print(shown)


def read_runs(
    path: str | Path, *, format: str | None = None
) -> tuple[list["Trajectory"], list[Refusal]]:
    """The runs of a file or folder, and what was refused with the reason; no platform is needed.

    `format` names a reader where detecting it is not wanted. All runs are held in memory.
    """
    from srft_assets.trajectories.stage import read_files

    return read_files(Path(path), format)


def label_steps(run: "Trajectory") -> "list[Verdict]":
    """The verdict of the critic `rules` on every step; it asks no model."""
    from srft_assets.critic.rules.critic import judge

    return judge(run)


def load_tokenizer(model: str) -> "ChatTokenizer":
    """The tokenizer and chat template of a local folder or a Hugging Face id.

    Raises SrftError where there is no fast tokenizer or no chat template.
    """
    from srft_assets.tokens.tokenizer import load_tokenizer as load

    return load(model)


def mask_run(
    run: "Trajectory",
    tokenizer: "ChatTokenizer",
    verdicts: "Iterable[Verdict]" = (),
    *,
    mask: Iterable[str] = ("mistake", "unlabeled"),
) -> "MaskedRow":
    """Token ids and verified spans of a run; steps whose label is in `mask` carry no loss.

    Steps without a verdict are trained. Raises RunRefusedError where the tokens of a trained step
    would not decode to exactly its text.
    """
    from srft_assets.tokens.mask import mask_run as masked

    labels = {one.step_index: str(one.label) for one in verdicts}
    unwanted = set(mask)
    weights = {
        step.step_index: float(labels.get(step.step_index) not in unwanted) for step in run.steps
    }
    return masked(run, weights, tokenizer, labels=labels)


def label_tokens(row: "MaskedRow") -> "tuple[NDArray[int32], NDArray[float32]]":
    """`labels` (int32, -100 where there is no loss) and loss `weights` (float32) of a row's tokens.

    Both have shape (tokens,); training and every export take theirs from here.
    """
    from srft_assets.tokens.token_labels import label_tokens as labelled

    return labelled(row.input_ids, row.spans)


def compare_arms(
    arms: Sequence[str] = (),
    *,
    against: str | None = None,
    seeds: Sequence[int] = (),
) -> "Comparison":
    """Rates of arms and their paired differences, with intervals, like `srft compare`.

    Raises UsageError for an arm or a seed without scores.
    """
    from srft_assets.cli.compare import compared

    _refresh()
    return compared(current_home(), list(arms), against, list(seeds))


def export(
    arm: str,
    format: str,
    out: str | Path,
    *,
    batches: Sequence[str] | None = None,
    **options: Any,
) -> "Exported":
    """Write an arm's masked tokens as a data set of a trainer, like `srft export`.

    `options` are the further fields of `exports.export.Request`. Raises UsageError for an arm, a
    format or a folder that cannot be, SrftError where the arm is not in sync.
    """
    from rich.console import Console

    from srft_assets.cli.progress import progress
    from srft_assets.exports.export import Request
    from srft_assets.exports.export import export as write
    from srft_assets.platform.stages import load_stages

    at = current_home()
    names = batch_names() if batches is None else batches
    request = Request(arm, names, format, Path(out).expanduser().absolute(), **options)
    with progress(Console()) as told_to:
        return write(request, at, load_stages(), told_to)


def _refresh() -> None:
    from srft_assets.cli.platform import refresh_catalogue

    refresh_catalogue(current_home())
