"""What a critic leaves unsaid: runs that nobody graded, and steps without a label."""

from collections.abc import Sequence

from srft_assets.critic.spec import LlmSpec
from srft_assets.outcomes.status import Status
from srft_assets.text import some
from srft_assets.warehouse.partitions import Warehouse
from srft_assets.warehouse.stage import Said

UNLABELED_SHARE = 0.05
"""More steps without a label than this are no accident."""


def runs_graded(
    critic: str, spec: LlmSpec, warehouse: Warehouse, batches: Sequence[str]
) -> Said | None:
    """Runs that a critic of failed runs cannot judge, because nobody said whether they failed."""
    if spec.judge == "all":
        return None
    ungraded: dict[str, int] = {}
    runs = 0
    for batch in batches:
        stamp = warehouse.stamp("test_outcomes", batch)
        if stamp and (count := round(stamp.figures.get(str(Status.UNKNOWN), 0))):
            ungraded[batch] = count
            runs += stamp.rows
    if not ungraded:
        return None
    first = next(iter(ungraded))
    count = sum(ungraded.values())
    return Said(
        f"{count:,} of {runs:,} runs in {some(list(ungraded))} are ungraded: nobody said whether "
        f"they failed, and the critic {critic} judges failed runs only; grade them with `srft "
        f"grade {first}`, attach reports with `srft ingest REPORTS --batch {first}`, or state "
        "`judge: all` in the critic's YAML"
    )


def steps_labelled(critic: str, warehouse: Warehouse, batches: Sequence[str]) -> Said | None:
    """Steps that the critic was asked for, and that have no label."""
    asset = f"step_verdicts/{critic}"
    unlabeled: dict[str, int] = {}
    steps = runs = 0
    for batch in batches:
        if stamp := warehouse.stamp(asset, batch):
            steps += stamp.rows
            if count := round(stamp.rows * stamp.figures.get("share_unlabeled", 0)):
                unlabeled[batch] = count
                runs += len({refusal.subject for refusal in stamp.refused})
    if not unlabeled:
        return None
    count = sum(unlabeled.values())
    whole = f"; {runs:,} {'run' if runs == 1 else 'runs'} could not be judged" if runs else ""
    return Said(
        f"{count:,} of {steps:,} steps ({count / steps:.1%}) in {some(list(unlabeled))} have no "
        f"label of the critic {critic}{whole}; why: `srft sql unanswered_reasons`",
        warns=count / steps > UNLABELED_SHARE,
    )
