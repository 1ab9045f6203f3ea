"""Recounts of what critics and people say of steps."""

import polars as pl

from tests.sql.recounts.base import (
    LABELLED,
    ratio,
    recount,
    runs_told,
    steps_of,
    verdicts,
    wilson,
)
from tests.sql.uneven import Uneven

STEP = ["trajectory_id", "step_index"]
LABELS = ["good", "unnecessary", "mistake", "recover"]


def labelled(world: Uneven) -> pl.DataFrame:
    steps = steps_of(world).select(*STEP, "tool", "command", "command_word", "failed")
    joined = verdicts(world).drop("batch").join(steps, on=STEP)
    joined = joined.join(runs_told(world), on="trajectory_id")
    tenth = (10 * pl.col("step_index")) // pl.col("n_steps") + 1
    return joined.with_columns(decile=tenth.clip(upper_bound=10))


@recount
def labelled_steps(world: Uneven) -> pl.DataFrame:
    return labelled(world)


def label_counts(world: Uneven, *by: str) -> pl.DataFrame:
    counts = labelled(world).group_by("critic", *by, "label").len("steps")
    return counts.with_columns(share=pl.col("steps") / pl.col("steps").sum().over("critic", *by))


@recount
def label_shares(world: Uneven) -> pl.DataFrame:
    return label_counts(world)


@recount
def label_shares_by_outcome(world: Uneven) -> pl.DataFrame:
    return label_counts(world, "status")


@recount
def label_shares_by_position(world: Uneven) -> pl.DataFrame:
    return label_counts(world, "decile")


@recount
def label_shares_by_tool(world: Uneven) -> pl.DataFrame:
    return label_counts(world, "tool")


@recount
def label_shares_by_command(world: Uneven) -> pl.DataFrame:
    return label_counts(world, "command_word")


@recount
def mistakes(world: Uneven) -> pl.DataFrame:
    return labelled(world).filter(label="mistake")


@recount
def rules_by_outcome(world: Uneven) -> pl.DataFrame:
    resolved = pl.col("resolved")
    return (
        labelled(world)
        .group_by("critic", "rule", "label")
        .agg(
            steps=pl.len(),
            in_resolved_runs=resolved.sum(),
            in_failed_runs=resolved.not_().sum(),
            runs=pl.col("trajectory_id").n_unique(),
        )
    )


@recount
def first_mistakes(world: Uneven) -> pl.DataFrame:
    mistaken = pl.col("label") == "mistake"
    told = (
        verdicts(world)
        .group_by("critic", "batch", "trajectory_id")
        .agg(
            labelled=LABELLED.sum(),
            mistakes=mistaken.sum(),
            first_mistake=pl.col("step_index").filter(mistaken).min(),
        )
        .join(runs_told(world).drop("batch"), on="trajectory_id")
    )
    whole = pl.col("labelled") == pl.col("n_steps")
    return told.with_columns(
        position=pl.col("first_mistake") / pl.col("n_steps"),
        has_mistake=pl.when(pl.col("mistakes") > 0).then(True).when(whole).then(False),
    )


@recount
def first_mistake_position(world: Uneven) -> pl.DataFrame:
    first, position = pl.col("first_mistake"), pl.col("position")
    counts = (
        first_mistakes(world)
        .group_by("critic", "status")
        .agg(
            runs=pl.col("has_mistake").count(),
            unanswered_runs=pl.col("has_mistake").null_count(),
            runs_with_mistake=pl.col("has_mistake").sum(),
            median_step=first.median(),
            position_q1=position.quantile(0.25, "linear"),
            position_median=position.median(),
            position_q3=position.quantile(0.75, "linear"),
        )
    )
    return counts.with_columns(share_with_mistake=ratio("runs_with_mistake", "runs"))


@recount
def blameless_failures(world: Uneven) -> pl.DataFrame:
    return first_mistakes(world).filter(~pl.col("has_mistake"), ~pl.col("resolved"))


@recount
def mistakes_per_run(world: Uneven) -> pl.DataFrame:
    whole = pl.col("labelled") == pl.col("n_steps")
    found = pl.col("mistakes").filter(whole)
    counts = (
        first_mistakes(world)
        .group_by("critic", "status")
        .agg(
            runs=whole.sum(),
            unanswered_runs=whole.not_().sum(),
            mistakes=pl.when(whole.any()).then(found.sum()),
            mean_mistakes=found.mean(),
            median_mistakes=found.median(),
            most_mistakes=found.max(),
            steps=pl.col("n_steps").filter(whole).sum(),
        )
    )
    return counts.with_columns(share_of_steps=ratio("mistakes", "steps"))


@recount
def recoveries(world: Uneven) -> pl.DataFrame:
    rows = []
    told = verdicts(world).sort("step_index")
    for (critic, batch, run), of_run in told.group_by("critic", "batch", "trajectory_id"):
        labels = of_run["label"].to_list()
        for place, label in enumerate(labels):
            for reach in (1, 2, 3, 5, 10) if label == "mistake" else ():
                seen = labels[place + 1 : place + 1 + reach]
                recovered = True if "recover" in seen else None if "unlabeled" in seen else False
                rows.append((critic, batch, run, place, reach, recovered))
    names = ["critic", "batch", *STEP, "within_steps", "recovered"]
    return pl.DataFrame(rows, schema=names, orient="row", infer_schema_length=None)


def recovery(told: pl.DataFrame, *by: str) -> pl.DataFrame:
    recovered = pl.col("recovered")
    counts = told.group_by("critic", *by, "within_steps").agg(
        mistakes=recovered.count(),
        unanswered=recovered.null_count(),
        recovered=recovered.sum(),
    )
    return counts.with_columns(share=ratio("recovered", "mistakes"))


@recount
def mistake_recovery(world: Uneven) -> pl.DataFrame:
    return recovery(recoveries(world))


@recount
def mistake_recovery_by_tool(world: Uneven) -> pl.DataFrame:
    steps = labelled(world).select("critic", *STEP, "status", "tool")
    told = recoveries(world).with_columns(pl.col("step_index").cast(pl.Int32))
    return recovery(told.join(steps, on=["critic", *STEP]), "status", "tool")


@recount
def critic_coverage(world: Uneven) -> pl.DataFrame:
    every = runs_told(world).filter(pl.col("n_steps") > 0).select("trajectory_id", "n_steps")
    told = verdicts(world).group_by("critic", "trajectory_id").agg(labelled=LABELLED.sum())
    rows = told.select("critic").unique().join(every, how="cross")
    rows = rows.join(told, on=["critic", "trajectory_id"], how="left")
    steps, given = pl.col("n_steps"), pl.col("labelled")
    counts = rows.group_by("critic").agg(
        runs=pl.len(),
        judged_runs=(given == steps).sum(),
        partly_judged_runs=((given > 0) & (given < steps)).sum(),
        unanswered_runs=(given == 0).sum(),
        never_asked_runs=given.is_null().sum(),
        steps=steps.sum(),
        labelled_steps=given.sum(),
        unanswered_steps=(steps - given).sum(),
        never_asked_steps=steps.filter(given.is_null()).sum(),
    )
    return counts.with_columns(share=ratio("labelled_steps", "steps"))


@recount
def unanswered_reasons(world: Uneven) -> pl.DataFrame:
    run = pl.col("trajectory_id")
    none = verdicts(world).filter(label="unlabeled").group_by("critic", "reason")
    return none.agg(steps=pl.len(), runs=run.n_unique(), example=run.min())


@recount
def critic_pairs(world: Uneven) -> pl.DataFrame:
    one = verdicts(world).select("critic", "batch", *STEP, "label", "reason")
    other = one.drop("batch")
    pairs = one.join(other, on=STEP, suffix="_b").filter(pl.col("critic") < pl.col("critic_b"))
    return pairs.rename({"critic": "critic_a", "label": "label_a", "reason": "reason_a"})


@recount
def critic_confusions(world: Uneven) -> pl.DataFrame:
    names = ["critic_a", "critic_b", "label_a", "label_b"]
    return critic_pairs(world).group_by(names).len("steps")


def both_labelled(world: Uneven) -> pl.DataFrame:
    told = (pl.col("label_a") != "unlabeled") & (pl.col("label_b") != "unlabeled")
    return critic_pairs(world).filter(told)


def kappa(agreement: float, chance: float) -> float | None:
    return None if chance == 1 else (agreement - chance) / (1 - chance)


@recount
def critic_agreement(world: Uneven) -> pl.DataFrame:
    rows = []
    for (one, other), steps in both_labelled(world).group_by("critic_a", "critic_b"):
        agreed = steps.filter(pl.col("label_a") == pl.col("label_b")).height
        chance = sum(
            steps.filter(label_a=label).height * steps.filter(label_b=label).height
            for label in LABELS
        )
        shares = agreed / steps.height, chance / steps.height**2
        rows.append((one, other, steps.height, agreed, *shares, kappa(*shares)))
    names = ["critic_a", "critic_b", "steps", "agreed", "agreement", "by_chance", "kappa"]
    return pl.DataFrame(rows, schema=names, orient="row")


@recount
def critic_agreement_by_label(world: Uneven) -> pl.DataFrame:
    rows = []
    for (one, other), steps in both_labelled(world).group_by("critic_a", "critic_b"):
        for label in LABELS:
            a, b = steps["label_a"] == label, steps["label_b"] == label
            cells = (a & b).sum(), (a & ~b).sum(), (~a & b).sum(), (~a & ~b).sum()
            agreed = cells[0] + cells[3]
            chance = (a.mean() * b.mean()) + (1 - a.mean()) * (1 - b.mean())
            told = kappa(agreed / steps.height, chance)
            rows.append((one, other, label, steps.height, *cells, agreed, chance, told))
    names = ["critic_a", "critic_b", "label", "steps", "by_both", "only_a", "only_b", "by_neither"]
    names += ["agreed", "by_chance", "kappa"]
    frame = pl.DataFrame(rows, schema=names, orient="row", infer_schema_length=None)
    frame = frame.with_columns(agreement=ratio("agreed", "steps"))
    return wilson(frame, "agreed", "steps", "agreement")


@recount
def disagreements(world: Uneven) -> pl.DataFrame:
    return both_labelled(world).filter(pl.col("label_a") != pl.col("label_b"))


@recount
def gold_verdicts(world: Uneven) -> pl.DataFrame:
    gold = world.table("gold_labels", partition="x").rename({"label": "gold_label"})
    given = gold.drop_nulls("gold_label").rename({"set": "gold_set"})
    return given.join(verdicts(world), on=STEP)


@recount
def gold_confusions(world: Uneven) -> pl.DataFrame:
    names = ["critic", "gold_set", "gold_label", "label"]
    return gold_verdicts(world).group_by(names).len("steps")


@recount
def critics_against_gold(world: Uneven) -> pl.DataFrame:
    scores = world.table("critic_scores", "critic", "x").filter(question="mask")
    return scores.rename(
        {
            "set": "gold_set",
            "target": "masked",
            "f1_low": "low",
            "f1_high": "high",
            "annotator_kappa": "people",
        }
    ).with_columns(precision=ratio("hits", "predicted"), recall=ratio("hits", "support"))


@recount
def critic_f1(world: Uneven) -> pl.DataFrame:
    asked = world.table("critic_scores", "critic", "x").filter(question="label", target="mistake")
    told = asked.drop_nulls("f1").sort("steps", "set").group_by("critic")
    return told.agg(pl.last("set").alias("gold_set"), pl.last("f1"))


@recount
def critics(world: Uneven) -> pl.DataFrame:
    """Partitions are made at one time here, and by one version."""
    judged = (
        verdicts(world)
        .group_by("critic")
        .agg(
            version=pl.col("version").max(),
            batches=pl.col("batch").n_unique(),
            runs=pl.col("trajectory_id").n_unique(),
            steps=pl.len(),
            labelled=LABELLED.sum(),
        )
    )
    return judged.join(critic_f1(world), on="critic", how="left")


@recount
def critic_history(world: Uneven) -> pl.DataFrame:
    """Versions are made at one time here: of a run that several batches held, the first counts."""
    told = world.table("verdict_versions", "critic").sort("batch")
    told = told.unique(["critic", "version", *STEP], keep="first")
    now = verdicts(world).select("critic", "version").unique()
    counts = told.group_by("critic", "version").agg(
        batches=pl.col("batch").n_unique(),
        runs=pl.col("trajectory_id").n_unique(),
        steps=pl.len(),
        mistakes=(pl.col("label") == "mistake").mean(),
        unlabeled=(~LABELLED).mean(),
    )
    counts = counts.join(now.with_columns(current=True), on=["critic", "version"], how="left")
    return counts.with_columns(
        pl.col("current").fill_null(False), made_at=pl.datetime(2026, 1, 2, 3, 4, 5)
    )


@recount
def critic_costs(world: Uneven) -> pl.DataFrame:
    at = pl.col("at").str.to_datetime(time_zone="UTC")
    seconds = pl.col("seconds")
    return (
        world.table("critic_calls", "who")
        .group_by("critic", "model", at.dt.date().alias("day"))
        .agg(
            pl.sum("prompt_tokens", "completion_tokens", "retries"),
            calls=pl.len(),
            refused_calls=pl.col("refusal").count(),
            cut_calls=(pl.col("finish_reason") == "length").sum(),
            cached_share=pl.sum("cached_tokens") / pl.sum("prompt_tokens"),
            median_seconds=seconds.median(),
            max_seconds=seconds.max(),
        )
    )


def calls(world: Uneven) -> pl.DataFrame:
    return world.table("critic_calls", "who").with_columns(
        trajectory_id=pl.col("about"),
        refused=pl.col("refusal").is_not_null(),
        answered_at=pl.col("at").str.to_datetime(time_zone="UTC"),
    )


@recount
def dearest_calls(world: Uneven) -> pl.DataFrame:
    return calls(world)


@recount
def unusable_answers(world: Uneven) -> pl.DataFrame:
    """All but the first call, which gave labels, and the last, of which no verdicts came yet."""
    asked = calls(world).sort("at")
    useless = asked.slice(1, asked.height - 2)
    reasons = verdicts(world).filter(label="unlabeled").select(key="call", reason="reason").unique()
    return useless.join(reasons.drop_nulls("key"), on="key", how="left")
