"""Recounts of what arms train on and what they resolve."""

from itertools import combinations
from math import comb

import polars as pl

from srft_assets.compare import compare_arms
from tests.sql.recounts.base import ratio, recount, wilson
from tests.sql.uneven import ARMS, Uneven

STEP = ["trajectory_id", "step_index"]


def rows_of(world: Uneven) -> pl.DataFrame:
    """Rows of the arms; of a run that several batches hold, those of the first."""
    rows = world.table("masked_tokens", "arm")
    rows = rows.filter(pl.col("batch") == pl.col("batch").min().over("arm", "trajectory_id"))
    return rows.with_columns(
        n_context=pl.col("n_tokens") - pl.col("n_trained") - pl.col("n_masked")
    )


def kept(world: Uneven, *by: str) -> pl.DataFrame:
    run = pl.col("trajectory_id")
    counts = (
        rows_of(world)
        .group_by(by)
        .agg(
            runs=run.n_unique(),
            resolved_runs=run.filter(pl.col("status") == "resolved").n_unique(),
            tokens=pl.sum("n_tokens"),
            trained=pl.sum("n_trained"),
            masked=pl.sum("n_masked"),
            context=pl.sum("n_context"),
            refused=pl.lit(0),
        )
    )
    share = pl.col("trained") / (pl.col("trained") + pl.col("masked"))
    return counts.with_columns(kept_share=share)


@recount
def tokens_kept(world: Uneven) -> pl.DataFrame:
    return kept(world, "arm")


@recount
def tokens_kept_by_batch(world: Uneven) -> pl.DataFrame:
    return kept(world, "arm", "batch")


def spans(world: Uneven) -> pl.DataFrame:
    cut = rows_of(world).explode("spans").unnest("spans")
    asked = {
        "critic": world.table("step_verdicts", "critic").filter(critic="llm"),
        "gold": world.table("gold_labels"),
    }
    known = [
        asked[kind].select(STEP).unique().with_columns(arm=pl.lit(arm), asked=True)
        for arm, config in ARMS.items()
        for kind in config
    ]
    cut = cut.join(pl.concat(known), on=["arm", *STEP], how="left")
    never = pl.col("asked").is_null() & (pl.col("label") == "unlabeled").fill_null(False)
    return cut.with_columns(tokens=pl.col("end") - pl.col("start"), never_asked=never)


def by_label(world: Uneven, *by: str) -> pl.DataFrame:
    counts = (
        spans(world)
        .group_by("arm", "label", *by)
        .agg(
            steps=pl.len(),
            never_asked=pl.sum("never_asked"),
            trained_steps=pl.sum("trained"),
            tokens=pl.sum("tokens"),
            trained_tokens=pl.col("tokens").filter(pl.col("trained")).sum(),
        )
    )
    return counts.with_columns(kept_share=ratio("trained_tokens", "tokens"))


@recount
def tokens_kept_by_label(world: Uneven) -> pl.DataFrame:
    return by_label(world)


@recount
def tokens_kept_by_label_and_outcome(world: Uneven) -> pl.DataFrame:
    return by_label(world, "status")


def attempts(world: Uneven) -> pl.DataFrame:
    return world.table("eval_scores", "arm", "seed").with_columns(pl.col("seed").cast(pl.Int32))


def scored(world: Uneven, *by: str) -> pl.DataFrame:
    resolved = pl.col("resolved")
    counts = (
        attempts(world)
        .group_by(by)
        .agg(
            seeds=pl.col("seed").n_unique(),
            attempts=pl.len(),
            scored=resolved.count(),
            resolved_attempts=resolved.sum(),
            infra_errors=(pl.col("status") == "infra_error").sum(),
            mean_steps=pl.col("n_steps").mean(),
            mean_cost_usd=pl.col("cost_usd").mean(),
            contaminated=pl.sum("contaminated"),
            approximate=pl.sum("approximate"),
            tainted=pl.sum("tainted"),
            clean=(resolved & ~pl.col("tainted").fill_null(False)).sum(),
        )
    )
    counts = counts.with_columns(
        rate=ratio("resolved_attempts", "scored"), rate_untainted=ratio("clean", "scored")
    )
    return wilson(counts, "resolved_attempts", "scored", "rate")


@recount
def arm_scores(world: Uneven) -> pl.DataFrame:
    return scored(world, "arm")


@recount
def seed_scores(world: Uneven) -> pl.DataFrame:
    return scored(world, "arm", "seed")


@recount
def arms(world: Uneven) -> pl.DataFrame:
    masked = rows_of(world).group_by("arm").agg(rows=pl.len(), trained=pl.sum("n_trained"))
    share = kept(world, "arm").select("arm", kept="kept_share")
    made = world.table("checkpoints", "arm", "seed").group_by("arm").agg(checkpoints=pl.len())
    scores = scored(world, "arm").select(
        "arm", "scored", "rate", resolved="resolved_attempts", low="rate_low", high="rate_high"
    )
    told = masked.join(share, on="arm").join(made, on="arm", how="full", coalesce=True)
    told = told.join(scores, on="arm", how="full", coalesce=True)
    return told.with_columns(pl.col("checkpoints").fill_null(0))


@recount
def seed_spread(world: Uneven) -> pl.DataFrame:
    rate = pl.col("rate")
    return (
        scored(world, "arm", "seed")
        .group_by("arm")
        .agg(
            seeds=pl.len(),
            scored_seeds=rate.count(),
            mean_rate=rate.mean(),
            deviation=rate.std(),
            lowest=rate.min(),
            highest=rate.max(),
        )
    )


@recount
def scored_attempts(world: Uneven) -> pl.DataFrame:
    return attempts(world)


@recount
def tasks_by_difficulty(world: Uneven) -> pl.DataFrame:
    resolved = pl.col("resolved")
    arms = pl.col("arm").filter(resolved).unique().sort()
    counts = (
        attempts(world)
        .group_by("instance_id")
        .agg(
            scored=resolved.count(),
            resolved_attempts=resolved.sum(),
            resolved_by=arms,
        )
    )
    none = pl.col("resolved_by").list.len() == 0
    return counts.with_columns(
        rate=ratio("resolved_attempts", "scored"),
        resolved_by=pl.when(~none).then(pl.col("resolved_by")),
    )


@recount
def arm_pairs(world: Uneven) -> pl.DataFrame:
    given = attempts(world).drop_nulls("resolved")
    rows = []
    for one, other in combinations(sorted(ARMS), 2):
        on = ["instance_id", "attempt", "seed"]
        pairs = given.filter(arm=one).join(given.filter(arm=other), on=on, suffix="_b")
        a, b = pairs["resolved"], pairs["resolved_b"]
        cells = (a & b).sum(), (a & ~b).sum(), (~a & b).sum(), (~a & ~b).sum()
        rows.append((one, other, pairs.height, *cells, (cells[1] - cells[2]) / pairs.height))
    names = ["arm_a", "arm_b", "pairs", "resolved_by_both", "only_a", "only_b"]
    names += ["resolved_by_neither", "difference"]
    return pl.DataFrame(rows, schema=names, orient="row")


@recount
def pass_at_k(world: Uneven) -> pl.DataFrame:
    resolved = pl.col("resolved")
    cells = (
        attempts(world)
        .group_by("arm", "seed", "instance_id")
        .agg(scored=resolved.count(), resolved=resolved.sum())
    )
    rows = []
    for (arm,), own in cells.group_by("arm"):
        for k in range(1, own["scored"].max() + 1):
            enough = own.filter(pl.col("scored") >= k).select("scored", "resolved").rows()
            found = [1 - comb(n - c, k) / comb(n, k) for n, c in enough]
            rows.append((arm, k, len(found), own.height - len(found), sum(found) / len(found)))
    names = ["arm", "k", "tasks", "left_out", "pass_at_k"]
    return pl.DataFrame(rows, schema=names, orient="row")


@recount
def loss_curves(world: Uneven) -> pl.DataFrame:
    curves = world.table("checkpoints", "who", "x").explode("loss_curve")
    return curves.select("arm", "seed", pl.col("loss_curve").struct.unnest())


@recount
def validation_curves(world: Uneven) -> pl.DataFrame:
    validated = world.table("checkpoints", "who", "x").drop_nulls("validation_curve")
    points = validated.explode("validation_curve").with_columns(
        pl.col("validation_curve").struct.unnest()
    )
    kept = pl.col("step") == pl.col("kept_step")
    labels = ("good", "unnecessary", "mistake", "recover", "unlabeled")
    return points.select("arm", "seed", "step", kept.alias("kept"), "loss", *labels)


@recount
def demo_scores(world: Uneven) -> pl.DataFrame:
    """Checkpoints were made from both batches; the intervals are those of a comparison."""
    trained = rows_of(world).filter(pl.col("n_trained") > 0).group_by("arm")
    runs = trained.agg(runs=pl.col("trajectory_id").n_unique())
    losses = world.table("checkpoints", "who", "x").group_by("arm").agg(loss=pl.mean("final_loss"))
    compared = compare_arms(attempts(world)).arms.select("arm", "low", "high")
    told = scored(world, "arm").join(runs, on="arm").join(losses, on="arm").join(compared, on="arm")
    told = told.join(kept(world, "arm").select("arm", kept="kept_share"), on="arm")
    return told.with_columns(
        pl.col("kept", "loss", "rate", "low", "high").round(3),
        resolved=pl.format("{} of {}", "resolved_attempts", "scored"),
    )
