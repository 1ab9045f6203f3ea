"""The rows that an arm will be trained on, as far as its batches say of themselves."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from srft_assets.outcomes.status import FAILED
from srft_assets.tokens.arm import ArmSpec
from srft_assets.warehouse.cost import Cost
from srft_assets.warehouse.partitions import Stamp, Warehouse, matching
from srft_assets.warehouse.stage import Planned

CHARACTERS_A_TOKEN = 4
"""Of the messages of a run as JSON. Qwen2.5's tokenizer has 4.2 over 25 runs of mini-swe-agent and
4.1 over 8 of OpenHands."""
BYTES_A_TOKEN = 4
"""Of a partition of `masked_tokens`, before it is compressed: at most so many."""
NOT_MASKED = "how many tokens carry loss is known once the runs are masked"
NOT_GRADED = "which runs are resolved is known once they are graded"
NO_RUNS = "there are no runs yet: srft ingest PATH"


@dataclass(frozen=True, slots=True)
class Estimate:
    """Rows of an arm.

    Attributes:
        rows: how many; a run that is masked already may be several.
        tokens: of all of them, with loss or without.
        trained: of these, tokens with loss.
        tasks: how many at most; one that several batches have counts in each.
        unknown: `rows` or `trained` → why it is not known, or not wholly.
        basis: what it is told from.
    """

    rows: int
    tokens: int
    trained: int
    tasks: int
    unknown: Mapping[str, str]
    basis: tuple[str, ...]


def estimate(
    arm: ArmSpec,
    warehouse: Warehouse,
    batches: Sequence[str],
    family: Callable[[str], str] = str,
) -> Estimate:
    """The rows of an arm from the batches that are `matching`, masked already or not."""
    asset = f"masked_tokens/{arm.name}"
    there = sorted({*warehouse.partitions("trajectories"), *warehouse.partitions(asset)})
    rows = tokens = trained = tasks = characters = 0
    unknown: dict[str, str] = {}
    for batch in matching(there, batches, family):
        if made := warehouse.stamp(asset, batch):
            rows += made.rows
            tokens += round(made.figures.get("tokens", 0))
            trained += round(made.figures.get("tokens_trained", 0))
            tasks += round(made.figures.get("tasks", made.rows))
            continue
        runs = warehouse.stamp("trajectories", batch)
        chosen = _chosen(arm, runs, warehouse.stamp("test_outcomes", batch))
        if runs is None or chosen is None:
            unknown["rows"] = NOT_GRADED
            continue
        rows += chosen
        tasks += chosen
        characters += round(runs.figures.get("characters", 0) * chosen / max(runs.rows, 1))
        unknown["trained"] = NOT_MASKED
    if not rows:
        unknown.setdefault("rows", NO_RUNS)
    told = f"Runs that are not masked yet have a token for every {CHARACTERS_A_TOKEN} characters."
    return Estimate(
        rows=rows,
        tokens=tokens + characters // CHARACTERS_A_TOKEN,
        trained=trained,
        tasks=tasks,
        unknown=unknown,
        basis=(told,) if characters else (),
    )


def masking_cost(arm: ArmSpec, planned: Planned) -> Cost:
    """Of one batch of `masked_tokens`: what it takes on the disk, at most."""
    rows = estimate(arm, planned.warehouse, (planned.partition,))
    unknown = {"disk": rows.unknown["rows"]} if "rows" in rows.unknown else {}
    told = f"A token takes at most {BYTES_A_TOKEN} bytes of the disk."
    return Cost(disk=BYTES_A_TOKEN * rows.tokens, unknown=unknown, basis=(*rows.basis, told))


def _chosen(arm: ArmSpec, runs: Stamp | None, outcomes: Stamp | None) -> int | None:
    """Runs of a batch that the arm takes, before `where`, `dedup` and `per_instance`; None where
    nobody graded them and that decides."""
    if runs is None:
        return None
    if arm.runs == "all":
        return runs.rows
    if outcomes is None:
        return None
    wanted = ("resolved",) if arm.runs == "resolved" else tuple(map(str, FAILED))
    return round(sum(outcomes.figures.get(status, 0) for status in wanted))
