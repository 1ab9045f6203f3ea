"""What making a partition would take."""

from collections.abc import Mapping
from dataclasses import dataclass, field

FIGURES = (
    *("calls", "answered", "tokens_to_label", "usd"),
    *("tokens_to_train", "tokens_to_validate", "tokens", "gpu_hours"),
    *("rollouts", "steps", "disk"),
)


@dataclass(frozen=True, slots=True)
class Cost:
    """What making a partition would take.

    Attributes:
        exact: whether calls and prompts were counted; all other figures are estimates always.
        calls: calls of a critic that it needs.
        answered: of these, calls that the ledger answers.
        tokens_to_label: estimated prompt tokens of the calls to pay for.
        usd: their estimated price.
        tokens_to_train: tokens that carry loss.
        tokens_to_validate: of held-out rows, with loss or without, in all validations.
        tokens: that a model is trained on, with loss or without, or reads and writes as it plays.
        gpu_hours: for these tokens and those of validations.
        rollouts: attempts at tasks.
        steps: of these attempts, each a call of the model.
        disk: bytes that stay.
        unknown: figure → why it is not known; the figure is then the part that is.
        basis: sentences that say what figures are told from.
    """

    calls: int = 0
    answered: int = 0
    tokens_to_label: int = 0
    usd: float = 0.0
    tokens_to_train: int = 0
    tokens_to_validate: int = 0
    tokens: int = 0
    gpu_hours: float = 0.0
    rollouts: int = 0
    steps: int = 0
    disk: int = 0
    exact: bool = True
    unknown: Mapping[str, str] = field(default_factory=dict)
    basis: tuple[str, ...] = ()

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            **{name: getattr(self, name) + getattr(other, name) for name in FIGURES},
            exact=self.exact and other.exact,
            unknown={**other.unknown, **self.unknown},
            basis=tuple(dict.fromkeys((*self.basis, *other.basis))),
        )
