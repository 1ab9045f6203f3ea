"""The base of the recounts: runs, outcomes, verdicts and steps in Polars, from the frames."""

from collections.abc import Callable

import polars as pl

from srft_assets.compare.rates import wilson_interval
from tests.sql.uneven import Uneven

Recount = Callable[[Uneven], pl.DataFrame]
RECOUNTS: dict[str, Recount] = {}
"""What each view and named query must hold, by its name."""
LABELLED = pl.col("label") != "unlabeled"
GRADED = pl.col("status").is_in(["infra_error", "unknown"]).not_()


def recount(function: Recount) -> Recount:
    """Take a function as the recount of the view or query of its name."""
    RECOUNTS[function.__name__] = function
    return function


def held(world: Uneven) -> pl.DataFrame:
    """Every run with every batch that holds it."""
    return world.table("trajectories").select("trajectory_id", "batch")


def trajectories(world: Uneven) -> pl.DataFrame:
    """Each run once, in the first of its batches."""
    return world.table("trajectories").sort("batch").unique("trajectory_id", keep="first")


def outcomes_told(world: Uneven) -> pl.DataFrame:
    """Outcomes of runs that their batch still holds, each run once."""
    told = world.table("test_outcomes").join(held(world), on=["trajectory_id", "batch"], how="semi")
    return told.sort("batch").unique("trajectory_id", keep="first")


def findings_told(world: Uneven) -> pl.DataFrame:
    """Findings of runs that their batch still holds; of a run in several, those of the first."""
    told = world.table("integrity").join(held(world), on=["trajectory_id", "batch"], how="semi")
    return told.filter(pl.col("batch") == pl.col("batch").min().over("trajectory_id"))


def runs_told(world: Uneven) -> pl.DataFrame:
    """Runs with outcome, and whether it counts."""
    outcomes = outcomes_told(world).select("trajectory_id", "status", "grader")
    joined = trajectories(world).join(outcomes, on="trajectory_id", how="left")
    repo = pl.col("instance_id").str.extract(r"^(\w+__\w+)-\d+$").str.replace("__", "/")
    graded = GRADED
    tainted = findings_told(world).filter("taints")["trajectory_id"]
    return joined.with_columns(
        tainted=pl.col("trajectory_id").is_in(tainted.to_list()),
        repo=repo,
        graded=graded,
        resolved=pl.when(graded).then(pl.col("status") == "resolved"),
    )


def verdicts(world: Uneven) -> pl.DataFrame:
    """Verdicts of runs that their batch still holds; of a run in several, those of the first."""
    told = world.table("step_verdicts", "critic")
    told = told.join(held(world), on=["trajectory_id", "batch"], how="semi")
    return told.filter(pl.col("batch") == pl.col("batch").min().over("critic", "trajectory_id"))


def steps_of(world: Uneven) -> pl.DataFrame:
    """One row a step."""
    lists = ["step_tools", "step_commands", "step_words", "step_return_codes"]
    cut = trajectories(world).filter(pl.col("n_steps") > 0)
    cut = cut.with_columns(step_index=pl.int_ranges(0, "n_steps", dtype=pl.Int32))
    code = pl.col("step_return_codes").list.first()
    return cut.explode(*lists, "step_index").with_columns(
        tool=pl.col("step_tools").list.first(),
        command=pl.col("step_commands").list.first(),
        command_word=pl.col("step_words"),
        failed=code != 0,
    )


def ratio(part: str, whole: str) -> pl.Expr:
    """Null where the whole is 0."""
    return pl.when(pl.col(whole) != 0).then(pl.col(part) / pl.col(whole))


def wilson(frame: pl.DataFrame, part: str, whole: str, name: str) -> pl.DataFrame:
    """With the ends of the 95% interval as `<name>_low` and `<name>_high`."""
    ends = [wilson_interval(*pair) or (None, None) for pair in frame.select(part, whole).rows()]
    return frame.with_columns(
        pl.Series(f"{name}_low", [low for low, _ in ends], pl.Float64),
        pl.Series(f"{name}_high", [high for _, high in ends], pl.Float64),
    )
