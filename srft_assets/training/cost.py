"""What a training takes, told before it begins: tokens, GPU hours, disk."""

from srft_assets.base_model import BaseFacts, base_facts
from srft_assets.errors import SrftError
from srft_assets.project.settings import Estimates, settings
from srft_assets.tokens.arm import ArmSpec
from srft_assets.tokens.estimate import Estimate, estimate
from srft_assets.tokens.tokenizer import model_source
from srft_assets.training.job import every_of, steps_of
from srft_assets.training.memory import setup_of, space_of
from srft_assets.trajectories.batches import family_of
from srft_assets.warehouse.cost import Cost
from srft_assets.warehouse.stage import Planned

OPERATIONS = {"full": 6, "lora": 4, "qlora": 4}
"""Of a parameter for one token: 2 forward, 2 for the gradients of activations, and 2 for those of
weights, which a frozen base has not (arXiv 2001.08361, section 2.1)."""
FORWARD = 2
"""Of these, what a validation takes."""


def training_cost(arm: ArmSpec, planned: Planned) -> Cost:
    """Of one training of the arm, as if all its rows were alike."""
    rows = _estimate(arm, planned)
    scored = _scored(arm, rows, planned)
    unknown: dict[str, str] = {}
    basis = list(rows.basis)
    share = _held_out(arm, scored)
    steps = steps_of(arm.training, round(rows.rows * (1 - share))) if rows.rows else 0
    drawn = steps * arm.training.batch_size
    validated = round(scored.tokens * share * _validations(arm, steps))
    tokens = round(rows.tokens / max(rows.rows, 1) * drawn)
    if why := rows.unknown.get("rows"):
        unknown |= dict.fromkeys(("tokens", "tokens_to_train", "gpu_hours"), why)
    if share and (why := scored.unknown.get("rows")):
        unknown["tokens_to_validate"] = why
    if why := rows.unknown.get("trained"):
        unknown["tokens_to_train"] = why
    hours, disk = 0.0, 0
    try:
        source = model_source(arm.model, planned.home, planned.warehouse.read)
        facts = base_facts(source, ask_hub=False)
    except SrftError as error:
        unknown |= dict.fromkeys(("gpu_hours", "disk"), str(error))
    else:
        chosen, trained = settings().costs, OPERATIONS[arm.training.method] * facts.active
        hours = gpu_hours(tokens, trained, chosen)
        hours += gpu_hours(validated, FORWARD * facts.active, chosen)
        basis.append(_rate(arm, facts))
        try:
            space = space_of(facts, setup_of(arm.training, 1, gpu=True, longest=1))
        except SrftError as error:
            unknown["disk"] = str(error)
        else:
            disk = round(space.checkpoint)
            states = f"{space.states / 1e9:,.1f} GB"
            basis.append(
                f"While a training of {arm.model} goes on, its states take up to {states} besides."
            )
    return Cost(
        tokens=tokens,
        tokens_to_train=round(rows.trained / max(rows.rows, 1) * drawn),
        tokens_to_validate=validated,
        gpu_hours=hours,
        disk=disk,
        unknown=unknown,
        basis=tuple(basis),
    )


def _estimate(arm: ArmSpec, planned: Planned) -> Estimate:
    family = family_of(planned.home)
    return estimate(arm, planned.warehouse, arm.training.batches, family)


def _scored(arm: ArmSpec, rows: Estimate, planned: Planned) -> Estimate:
    """The rows of whose tasks some are held out and scored. Those of another arm that are not
    masked yet are told as if it took all runs."""
    other = arm.training.validation and arm.training.validation.arm
    if not other or other == arm.name:
        return rows
    named = arm.model_copy(update={"name": other, "runs": "all"})
    return _estimate(named, planned)


def _held_out(arm: ArmSpec, rows: Estimate) -> float:
    """The share of rows that are held out, as if all tasks had as many."""
    wanted = arm.training.validation.tasks if arm.training.validation else 0
    return wanted if wanted < 1 else min(1.0, wanted / max(rows.tasks, 1))


def _validations(arm: ArmSpec, steps: int) -> int:
    validation = arm.training.validation
    return 1 + -(-steps // every_of(validation, steps)) if validation and steps else 0


def gpu_hours(tokens: int, operations: float, chosen: Estimates) -> float:
    """Hours that one GPU takes for so many tokens, of so many operations each."""
    return tokens * operations / (chosen.tflops * 1e12 * chosen.utilisation) / 3600


def _rate(arm: ArmSpec, facts: BaseFacts) -> str:
    chosen, count = settings().costs, OPERATIONS[arm.training.method]
    rate = f"{chosen.utilisation:.0%} of {chosen.tflops:g} TFLOP/s"
    met = f"{facts.active / 1e9:.2f} billion parameters of {arm.model}"
    return f"GPU hours of training: {count} operations a token for each of the {met}, at {rate}."
