"""What masks leave unsaid: batches of which nothing is trained, and runs that were cut."""

from collections.abc import Collection, Mapping, Sequence

from srft_assets.home import Home
from srft_assets.integrity.finding import SAID
from srft_assets.text import some
from srft_assets.tokens.arm import ArmSpec
from srft_assets.warehouse.partitions import Stamp, Warehouse
from srft_assets.warehouse.stage import Said

FEWEST = 0.01
"""A smaller share of the model's own tokens is nearly none."""

LEFT_OUT = {
    "crashed": "runs ended by a machine or a server",
    "tainted": "runs that are tainted (the view leaks)",
    "of_other_outcome": "runs of another outcome, or ungraded",
    "outside_where": "runs outside of `where`",
    "identical": "runs identical to others",
    "over_per_instance": "runs over `per_instance`",
}
CUT = {
    "runs_cut": "runs were cut at `training.max_length`",
    "runs_too_long": "runs over `training.max_length` were left out",
    "steps_too_long": "steps fit no window of `training.max_length`",
    "runs_refused": "runs were refused (`srft sql quarantine`)",
}


def tokens_trained(
    arm: ArmSpec, home: Home, warehouse: Warehouse, batches: Sequence[str]
) -> Said | None:
    """Batches of which the arm trains nothing, or next to nothing."""
    without: dict[str, Stamp] = {}
    for batch, stamp in _stamps(arm, warehouse, batches).items():
        trained, masked = (stamp.figures.get(f"tokens_{name}", 0) for name in ("trained", "masked"))
        if trained <= FEWEST * (trained + masked):
            without[batch] = stamp
    if not without:
        return None
    trained, masked, runs = (
        _sum(without.values(), name) for name in ("tokens_trained", "tokens_masked", "runs")
    )
    own = f"{trained:,} of {trained + masked:,} tokens of the model's turns"
    told = f"{own if trained + masked else 'nothing'} in {some(list(without))} is trained: "
    reasons = _counted(without.values(), {f"runs_{why}": what for why, what in LEFT_OUT.items()})
    left = _counted(without.values(), {"runs_refused": CUT["runs_refused"]})
    if runs and arm.labelled:
        whose = f"step_verdicts/{arm.critic}" if arm.critic else "the gold set"
        reasons.append(f"{runs:,} runs whose steps {whose} leaves unlabeled or masks")
    return Said(told + ("; ".join([*reasons, *left]) or "the runs hold no turn of the model"))


def runs_untainted(
    arm: ArmSpec, home: Home, warehouse: Warehouse, batches: Sequence[str]
) -> Said | None:
    """How many runs are left out as tainted, and why."""
    stamps = _stamps(arm, warehouse, batches).values()
    if not _sum(stamps, "runs_tainted"):
        return None
    why = ", ".join(_counted(stamps, {f"runs_tainted_{kind}": told for kind, told in SAID.items()}))
    return Said(f"left out as tainted: {why} (srft sql 'FROM leaks')", warns=False)


def runs_whole(
    arm: ArmSpec, home: Home, warehouse: Warehouse, batches: Sequence[str]
) -> Said | None:
    """Runs and steps that are too long for the arm, or that could not be masked."""
    stamps = _stamps(arm, warehouse, batches)
    if not (told := _counted(stamps.values(), CUT)):
        return None
    runs = _sum(stamps.values(), "runs") + _sum(stamps.values(), "runs_refused")
    return Said(f"of {runs:,} runs: {', '.join(told)}")


def _stamps(arm: ArmSpec, warehouse: Warehouse, batches: Sequence[str]) -> Mapping[str, Stamp]:
    found = {name: warehouse.stamp(f"masked_tokens/{arm.name}", name) for name in batches}
    return {name: stamp for name, stamp in found.items() if stamp}


def _sum(stamps: Collection[Stamp], figure: str) -> int:
    return round(sum(stamp.figures.get(figure, 0) for stamp in stamps))


def _counted(stamps: Collection[Stamp], figures: Mapping[str, str]) -> list[str]:
    counts = {what: _sum(stamps, figure) for figure, what in figures.items()}
    return [f"{count:,} {what}" for what, count in counts.items() if count]
