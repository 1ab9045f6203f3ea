"""Recounts of what is said of runs, their outcomes, and what the warehouse holds."""

import polars as pl

from tests.sql.recounts.base import (
    findings_told,
    outcomes_told,
    ratio,
    recount,
    runs_told,
    steps_of,
    wilson,
)
from tests.sql.uneven import AGAIN, Uneven


@recount
def runs(world: Uneven) -> pl.DataFrame:
    return runs_told(world)


@recount
def leaks(world: Uneven) -> pl.DataFrame:
    outcomes = outcomes_told(world).select("trajectory_id", "status")
    return findings_told(world).join(outcomes, on="trajectory_id", how="left")


@recount
def duplicates(world: Uneven) -> pl.DataFrame:
    """The run that `a` and `b` hold, in `b`; and the row of `c` that was refused."""
    kept = {"source": "f.json", "source_row": 0, "original": "f.json", "original_row": 0}
    twice = {"trajectory_id": "django__django-1.twice", "batch": "b", "duplicate_of": "a"}
    again = {"trajectory_id": AGAIN, "batch": "c", "duplicate_of": "c", "source_row": 1}
    rows = [{**kept, "instance_id": "django__django-1", **one} for one in (twice, again)]
    return pl.DataFrame(rows)


@recount
def outcomes(world: Uneven) -> pl.DataFrame:
    counts = outcomes_told(world).group_by("batch", "status").len("runs")
    return counts.with_columns(share=pl.col("runs") / pl.col("runs").sum().over("batch"))


def rates(world: Uneven, key: str) -> pl.DataFrame:
    ungraded = pl.col("status").is_null() | (pl.col("status") == "unknown")
    counts = (
        runs_told(world)
        .group_by(key)
        .agg(
            runs=pl.len(),
            graded_runs=pl.col("graded").sum(),
            resolved_runs=pl.col("resolved").sum(),
            infra_errors=(pl.col("status") == "infra_error").sum(),
            unknown=ungraded.sum(),
            mean_steps=pl.col("n_steps").mean(),
            tainted_runs=pl.col("tainted").sum(),
            clean=(pl.col("resolved") & ~pl.col("tainted")).sum(),
        )
    )
    counts = counts.with_columns(
        rate=ratio("resolved_runs", "graded_runs"), rate_untainted=ratio("clean", "graded_runs")
    )
    return wilson(counts, "resolved_runs", "graded_runs", "rate")


@recount
def outcomes_by_model(world: Uneven) -> pl.DataFrame:
    return rates(world, "model")


@recount
def outcomes_by_repo(world: Uneven) -> pl.DataFrame:
    return rates(world, "repo")


@recount
def outcomes_by_scaffold(world: Uneven) -> pl.DataFrame:
    return rates(world, "scaffold")


@recount
def outcomes_by_batch(world: Uneven) -> pl.DataFrame:
    return rates(world, "batch")


@recount
def batches(world: Uneven) -> pl.DataFrame:
    resolved = pl.col("resolved")
    return (
        runs_told(world)
        .group_by("batch")
        .agg(
            runs=pl.len(),
            steps=pl.sum("n_steps"),
            resolved=resolved.sum(),
            failed=(~resolved).sum(),
            unknown=resolved.is_null().sum(),
            graded_by=pl.col("grader").drop_nulls().unique().sort().str.join(", "),
        )
        .with_columns(pl.col("graded_by").replace("", None))
    )


@recount
def outcomes_by_exit_status(world: Uneven) -> pl.DataFrame:
    return rates(world, "exit_status")


@recount
def recorded_tasks(world: Uneven) -> pl.DataFrame:
    repos = runs_told(world).select("instance_id", "repo").unique()
    return rates(world, "instance_id").join(repos, on="instance_id")


@recount
def run_lengths(world: Uneven) -> pl.DataFrame:
    steps = pl.col("n_steps")
    return (
        runs_told(world)
        .group_by("status")
        .agg(
            runs=pl.len(),
            mean_steps=steps.mean(),
            shortest=steps.min(),
            median_steps=steps.median(),
            longest=steps.max(),
        )
    )


@recount
def tool_use(world: Uneven) -> pl.DataFrame:
    counts = (
        steps_of(world)
        .group_by("tool", "command_word")
        .agg(
            steps=pl.len(),
            runs=pl.col("trajectory_id").n_unique(),
            failed_steps=pl.col("failed").sum(),
            known=pl.col("failed").count(),
        )
    )
    return counts.with_columns(failed_share=ratio("failed_steps", "known"))


@recount
def failing_commands(world: Uneven) -> pl.DataFrame:
    return tool_use(world).filter(pl.col("failed_steps") > 0)


@recount
def repeated_actions(world: Uneven) -> pl.DataFrame:
    return (
        steps_of(world)
        .group_by("trajectory_id", "tool", "command")
        .agg(times=pl.len(), at_steps=pl.col("step_index").sort())
        .filter(pl.col("times") >= 3)
    )


@recount
def longest_runs(world: Uneven) -> pl.DataFrame:
    return runs_told(world)


@recount
def stated_against_graded(world: Uneven) -> pl.DataFrame:
    told = outcomes_told(world).select("trajectory_id", "reason")
    stated = runs_told(world).join(told, on="trajectory_id")
    return stated.filter(pl.col("source_resolved") != pl.col("resolved"))


@recount
def quarantine_reasons(world: Uneven) -> pl.DataFrame:
    told = [
        (asset, one.reason, one.source)
        for (asset, _), stamp in world.stamps.items()
        for one in stamp.refused
    ]
    rows = pl.DataFrame(told, schema=["asset", "reason", "example"], orient="row")
    return rows.group_by("asset", "reason").agg(refusals=pl.len(), example=pl.col("example").min())


@recount
def asset_sizes(world: Uneven) -> pl.DataFrame:
    files = partitions(world)
    return files.group_by("asset").agg(
        pl.len().alias("partitions"),
        pl.sum("rows", "refused", "bytes"),
        pl.max("made_at").alias("last_made"),
    )


def partitions(world: Uneven) -> pl.DataFrame:
    rows = [
        {"asset": asset, "partition": partition, "rows": stamp.rows, "refused": len(stamp.refused)}
        | {"made_at": stamp.made_at[:23], "run_id": stamp.run_id, "inputs": stamp.recipe.inputs}
        | {"bytes": (world.home.warehouse / asset / f"{partition}.parquet").stat().st_size}
        for (asset, partition), stamp in world.stamps.items()
        if not asset.startswith("critic_calls")
    ]
    frame = pl.DataFrame(
        [{**row, "inputs": list(row["inputs"].items())} for row in rows],
        schema_overrides={"inputs": pl.List(pl.List(pl.String))},
    )
    return frame.with_columns(pl.col("made_at").str.to_datetime("%Y-%m-%dT%H:%M:%S%.f"))


@recount
def latest(world: Uneven) -> pl.DataFrame:
    return partitions(world).sort("asset", "partition").head(30)


@recount
def made_from(world: Uneven) -> pl.DataFrame:
    parted = partitions(world).explode("inputs").drop_nulls("inputs")
    pair = pl.col("inputs").list
    return parted.with_columns(input=pair.get(0), data_version=pair.get(1))
