"""Which rows of `masked_tokens` an arm trains on, and which it holds out."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import polars as pl

from srft_assets.errors import Refusal, SrftError
from srft_assets.text import some
from srft_assets.tokens.arm import ArmSpec
from srft_assets.tokens.run_choice import NO_TASK, within_cap
from srft_assets.tokens.token_labels import MASKED_TOKENS
from srft_assets.training.job import Part
from srft_assets.warehouse.sql import counted_once
from srft_assets.warehouse.stage import Work

SHORTER = "`too_long: windows` or `cut`, in the arm or for all under `training:` of srft.yaml"


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows are trained on.

    Attributes:
        rows: those that are kept, in order of partition and row: `batch`, `row` (its number in
            the partition), `trajectory_id`, `instance_id`, `status`, `n_tokens`, `n_trained`
            (tokens), and `weight`, the sum of the loss weights of the trained tokens.
        without_loss: rows dropped because no token of theirs is trained.
        left_out: rows of runs that an earlier batch holds too, or that are too many of one task.
        refused: rows that are longer than the limit.
        within: all rows that are not, with `n_turn`, the tokens of their assistant turns.
    """

    rows: pl.DataFrame
    without_loss: int
    left_out: int
    refused: tuple[Refusal, ...]
    within: pl.DataFrame


def parts_of(
    rows: pl.DataFrame, versions: Mapping[str, str], normalise: Literal["token", "run"]
) -> list[Part]:
    """Rows of a `Selection` by partition; `versions` has the data version of each batch.

    With `run` the weights are scaled so that those of each run, over all its rows, have the same
    sum, where they have any; on the average they stay as they are.
    """
    if normalise == "run":
        of_run = pl.col("weight").sum().over("trajectory_id")
        mean = pl.col("weight").sum() / pl.col("trajectory_id").n_unique()
        rows = rows.with_columns(scale=pl.when(of_run > 0).then(mean / of_run).otherwise(1.0))
    return [
        Part(
            batch=batch,
            version=versions[batch],
            rows=own["row"].to_list(),
            scales=own["scale"].to_list() if normalise == "run" else None,
        )
        for (batch,), own in rows.group_by("batch", maintain_order=True)
    ]


def select_rows(arm: ArmSpec, partitions: Iterable[tuple[str, pl.DataFrame]]) -> Selection:
    """Choose the rows that an arm trains on, from its `masked_tokens` by batch, in order.

    Too long rows are refused, and rows without loss dropped; the arm's `dedup` and `per_instance`
    hold among the rest, over all batches.
    """
    rows = survey(partitions)
    limit = arm.training.max_length
    long = rows.filter(pl.col("n_tokens") > limit)
    rows = rows.filter(pl.col("n_tokens") <= limit)
    usable = rows.filter(pl.col("weight") > 0)
    kept = _chosen(usable, arm)
    return Selection(
        rows=kept,
        without_loss=rows.height - usable.height,
        left_out=usable.height - kept.height,
        refused=tuple(
            Refusal(
                source=f"masked_tokens/{arm.name}/{row['batch']}",
                row=row["row"],
                subject=row["trajectory_id"],
                reason=f"{row['n_tokens']} tokens, but training.max_length is {limit}: "
                "raise max_length, or cut the run",
            )
            for row in long.iter_rows(named=True)
        ),
        within=rows,
    )


def hold_out(
    chosen: Selection, among: pl.DataFrame, wanted: float
) -> tuple[Selection, pl.DataFrame]:
    """The selection without the held-out tasks, and the rows of these that are scored.

    `among`: the `within` of the arm whose rows are scored. A number (`wanted` as in
    `held_out_tasks`) is of its tasks; a share is of those of the arm that is trained, too.
    """
    tasks = {*among["instance_id"], *(chosen.within["instance_id"] if wanted < 1 else ())}
    held = pl.col("instance_id").is_in(held_out_tasks(tasks, wanted))
    scored = counted_once(among.filter(held, pl.col("n_turn") > 0)).drop("ids")
    return replace(chosen, rows=chosen.rows.filter(~held)), scored


def held_out_tasks(tasks: Iterable[str], wanted: float) -> list[str]:
    """Which tasks are held out: below 1, `wanted` is their share, else their number.

    A task's place between 0 and 1 is a hash of its name: those below the share are held out,
    whatever other tasks, arms and seeds there are, or the first by place. Runs of no known task
    are not, as some of the same task might be trained on.
    """
    places = sorted((_place(task), task) for task in set(tasks) - {NO_TASK})
    if wanted >= 1:
        return [task for _, task in places[: int(wanted)]]
    return [task for place, task in places if place < wanted]


def _place(task: str) -> float:
    return int.from_bytes(hashlib.sha256(task.encode()).digest()[:8]) / 2**64


def held_out_batches(rows: pl.DataFrame, task_seed: int) -> list[str]:
    """Batches of which some rows are runs of generated tasks of this seed, sorted."""
    of_seed = pl.col("instance_id").str.contains(rf"^lab__\w+-{task_seed}-\d+$")
    return sorted(rows.filter(of_seed)["batch"].unique())


def survey(partitions: Iterable[tuple[str, pl.DataFrame]]) -> pl.DataFrame:
    """One line a row of `masked_tokens` by batch, in order, with the columns of a `Selection`.

    The first token of a row, which nothing predicts, is not counted.
    """
    return pl.concat([_survey(batch, frame) for batch, frame in partitions])


def _survey(batch: str, frame: pl.DataFrame) -> pl.DataFrame:
    # Partitions that an earlier version made lack weights; those count as null.
    frame = frame.match_to_schema(
        MASKED_TOKENS,
        missing_columns="insert",
        missing_struct_fields="insert",
        extra_columns="ignore",
        extra_struct_fields="ignore",
    )
    span = pl.element().struct
    start = span.field("start").clip(lower_bound=1)
    length = (span.field("end") - start).clip(lower_bound=0)
    trained = length * span.field("trained").cast(pl.Int32)
    weight = trained * span.field("weight").cast(pl.Float64).fill_null(1)
    spans = pl.col("spans").list
    return frame.select(
        pl.lit(batch).alias("batch"),
        pl.int_range(pl.len(), dtype=pl.Int64).alias("row"),
        "trajectory_id",
        "instance_id",
        "status",
        pl.col("n_tokens").cast(pl.Int64),
        spans.eval(trained).list.sum().cast(pl.Int64).alias("n_trained"),
        spans.eval(length).list.sum().cast(pl.Int64).alias("n_turn"),
        spans.eval(weight).list.sum().cast(pl.Float64).alias("weight"),
        pl.col("input_ids").hash().alias("ids"),
    )


def _chosen(rows: pl.DataFrame, arm: ArmSpec) -> pl.DataFrame:
    rows = counted_once(rows)
    if arm.dedup:
        by_run = rows.group_by("trajectory_id", maintain_order=True)
        first = by_run.agg("ids").filter(pl.col("ids").is_first_distinct())
        rows = rows.filter(pl.col("trajectory_id").is_in(first["trajectory_id"].implode()))
    if arm.per_instance is not None:
        cells = rows.select("trajectory_id", "instance_id")
        rows = rows.filter(within_cap(cells, arm.per_instance, arm.seed))
    return rows.drop("ids", "n_turn")


def rows_of(arm: ArmSpec, work: Work) -> tuple[Selection, pl.DataFrame]:
    """What is trained on, and the rows of held-out tasks that are scored, if any.

    Raises SrftError where there is nothing to train on or to score.
    """
    asset = f"masked_tokens/{arm.name}"
    batches = work.input_names(asset)
    chosen = select_rows(arm, ((batch, work.read(asset, batch)) for batch in batches))
    if chosen.rows.is_empty():
        raise SrftError(_nothing_to_train(arm, batches, chosen))
    scored = chosen.rows.clear()
    if (validation := arm.training.validation) is not None:
        among = chosen.within
        if (other := scored_asset(arm)) != asset:
            _check_same_model(arm, work)
            read = ((batch, work.read(other, batch)) for batch in work.input_names(other))
            among = survey(read).filter(pl.col("n_tokens") <= arm.training.max_length)
        chosen, scored = hold_out(chosen, among, validation.tasks)
        if chosen.rows.is_empty() or not scored["weight"].sum():
            told = "leaves no row to train on: lower it"
            if not chosen.rows.is_empty():
                told = "holds out no token with loss: raise it, or state a number of tasks"
            raise SrftError(
                f"arm {arm.name}: training.validation.tasks {validation.tasks:g}, of the "
                f"{among['instance_id'].n_unique()} tasks of {other}, {told}"
            )
    both = pl.concat([chosen.rows, scored], how="diagonal")
    if held_out := held_out_batches(both, arm.evaluation.task_seed):
        stated = (*arm.training.batches, *(f"!{name}" for name in held_out))
        raise SrftError(
            f"arm {arm.name}: {some(held_out)} hold runs of the held-out tasks of "
            f"evaluation.task_seed {arm.evaluation.task_seed}, which are never trained on: state "
            f"training.batches: [{', '.join(map(repr, stated))}]"
        )
    return chosen, scored


def scored_asset(arm: ArmSpec) -> str:
    """Whose rows of held-out tasks are scored."""
    validation = arm.training.validation
    return f"masked_tokens/{(validation and validation.arm) or arm.name}"


def _check_same_model(arm: ArmSpec, work: Work) -> None:
    """Raise SrftError where the rows that are scored were tokenized for another base model."""
    models = {}
    for asset in (f"masked_tokens/{arm.name}", scored_asset(arm)):
        for batch in work.input_names(asset):
            if stamp := work.warehouse.stamp(asset, batch):
                models[asset] = str(stamp.recipe.config.get("model"))
    if len(set(models.values())) > 1:
        told = ", ".join(f"{asset} is for {model}" for asset, model in models.items())
        raise SrftError(f"arm {arm.name}: training.validation.arm has another base model: {told}")


def _nothing_to_train(arm: ArmSpec, batches: list[str], chosen: Selection) -> str:
    runs = {"all": "run", "resolved": "resolved run", "unresolved": "unresolved run"}[arm.runs]
    shown = ", ".join(batches[:4]) + (", …" if len(batches) > 4 else "")
    line = f"arm {arm.name}: no {runs} to train on in batches {shown}"
    if chosen.without_loss or chosen.refused:
        limit = arm.training.max_length
        line += (
            f" ({chosen.without_loss} without a trained token, "
            f"{len(chosen.refused)} over {limit} tokens)"
        )
    if chosen.refused:
        line += f": raise training.max_length, or state {SHORTER}"
    return line
