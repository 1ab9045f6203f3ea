"""Facts of the training sets, for the report."""

from srft_assets.compare import wilson_interval
from srft_assets.experiment.bench import Bench
from srft_assets.experiment.design import ARMS, ORACLE, Rows
from srft_assets.experiment.plan import facts
from srft_assets.experiment.rows import label_counts, labels_of, mistake_f1
from srft_assets.experiment.tables import markdown, percent, span


def run_lines(bench: Bench) -> list[str]:
    """Runs, outcomes, labels and the rules critic's F1, a line each."""
    data = bench.data
    runs, failed = data.runs.height, len(data.failed)
    low, high = wilson_interval(runs - failed, runs) or (0.0, 1.0)
    counts = label_counts(data.oracle, data.failed)
    labels = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    f1 = mistake_f1(data.rules, data.oracle, data.failed)
    return [
        f"- {runs} runs of the scripted teacher, one a task; {runs - failed} resolved "
        f"({percent(1 - data.failed_share)}%, 95% Wilson {span(low, high)}), {failed} failed.",
        f"- Steps of the failed runs by the teacher's own labels: {labels}.",
        f"- The rules critic's F1 for `mistake` there: {f1:.3f}.",
    ]


def arm_table(bench: Bench, token_steps: dict[tuple[str, int], int]) -> str:
    """What each arm trains on, with its first seed."""
    rows = []
    for arm in ARMS:
        one = facts(bench, arm)
        drawn = bench.steps * bench.regime.batch_size
        rows.append(
            (
                arm,
                str(one.runs),
                f"{one.resolved / one.runs:.2f}",
                f"{one.tokens:,}",
                f"{one.trained:,}",
                f"{one.masked:,}",
                str(one.steps_masked),
                f"{drawn / one.used:.1f}",
                f"{drawn * one.trained_a_run:,.0f}",
                str(token_steps.get((arm, 0), "")),
            )
        )
    titles = (
        "arm",
        "runs",
        "resolved",
        "tokens",
        "trained",
        "masked",
        "steps masked",
        "epochs",
        "trained in all",
        "steps for the same",
    )
    return markdown(titles, rows)


def measured_f1(bench: Bench, moved: float) -> float:
    """F1 of the moved labels against the teacher's own, mean over the seeds."""
    found = [
        mistake_f1(
            labels_of(Rows(arm=ORACLE, moved=moved, seed=seed), bench.data),
            bench.data.oracle,
            bench.data.failed,
        )
        for seed in range(bench.form.seeds)
    ]
    return sum(found) / len(found)
