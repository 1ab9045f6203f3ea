"""The cells of the experiment: what is trained and played, fixed before anything is."""

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from srft_assets.warehouse.recipe import digest

BASE = "base"
ARMS = {
    "sft": "sft",
    "rft": "rft",
    "srft": "srft",
    "oracle": "oracle_mask",
    "unresolved_only": "unresolved_only",
    "unresolved_masked": "unresolved_masked",
    "random_mask": "random_mask",
    "inverted_mask": "inverted_mask",
}
"""Names in the report → folders of `defs/arms`. `srft` has the rules critic, `oracle` the
teacher's own labels."""
ORACLE, REFERENCE = "oracle_mask", "rft"
SEEDED = frozenset({"random_mask"})
"""Arms whose rows are drawn anew with each seed."""


class Form(BaseModel):
    """How much is done; the numbers of one cell are the regime's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seeds: int = 5
    """Trainings of every arm."""
    tasks: int | None = None
    """Held-out tasks, the first of the regime's; None: all."""
    runs: int | None = None
    """Runs of the teacher; None: as many as the regime says."""
    steps: int | None = None
    """Optimizer steps; None: as many as the regime says."""
    moved: tuple[float, ...] = (0.25, 0.5, 0.75)
    """Shares of the oracle's mistakes whose label goes to another step; F1 is 1 minus that."""
    failed_shares: tuple[float, ...] = (0.3, 0.6, 0.8, 1.0)
    """Shares of failed runs besides none (rft), among as many runs as are resolved."""
    same_tokens: bool = True
    """Whether the arms are also compared with as many trained tokens."""


FULL = Form()
QUICK = Form(
    seeds=2, tasks=60, runs=80, steps=40, moved=(0.5,), failed_shares=(1.0,), same_tokens=False
)


class Rows(BaseModel):
    """What is trained on.

    Attributes:
        arm: folder of `defs/arms`.
        moved: share of the labels `mistake` that go to other steps, before the arm masks.
        failed_share: share of failed runs, see `with_share`; None: all runs there are.
        seed: of what is drawn: masks of `random_mask`, moved labels, runs that are left out.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    arm: str
    moved: float = 0.0
    failed_share: float | None = None
    seed: int = 0


class Cell(BaseModel):
    """One training and its evaluation. `rows` None is the base model, untrained."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rows: Rows | None
    steps: int
    seed: int

    def name(self, fixed: str) -> str:
        """24 hex digits of all that decides the scores; `fixed` is what all cells share."""
        return digest([self.model_dump(), fixed])[:24]


@dataclass(frozen=True, slots=True)
class Place:
    """Where the scores of a cell stand in the report: series, name within it, x where it has one.

    Series: `steps`, `tokens`, `f1`, `share`.
    """

    series: str
    arm: str
    cell: Cell
    x: float | None = None


def arm_rows(arm: str, seed: int) -> Rows:
    """The rows of one arm of the report."""
    return Rows(arm=ARMS[arm], seed=seed if ARMS[arm] in SEEDED else 0)


def by_steps(form: Form, steps: int) -> Iterator[Place]:
    """Every arm with the same number of optimizer steps, and the base model once a seed."""
    for seed in range(form.seeds):
        yield Place("steps", BASE, Cell(rows=None, steps=0, seed=seed))
        for arm in ARMS:
            yield Place("steps", arm, Cell(rows=arm_rows(arm, seed), steps=steps, seed=seed))


def by_f1(form: Form, steps: int) -> Iterator[Place]:
    """The oracle's labels, more and more of them moved."""
    for moved in (0.0, *form.moved):
        for seed in range(form.seeds):
            rows = Rows(arm=ORACLE, moved=moved, seed=seed if moved else 0)
            yield Place("f1", f"{moved:.2f}", Cell(rows=rows, steps=steps, seed=seed), 1 - moved)


def by_share(form: Form, steps: int) -> Iterator[Place]:
    """From resolved runs alone (rft) to failed runs alone, masked by the oracle's labels."""
    for seed in range(form.seeds):
        rft = Cell(rows=arm_rows(REFERENCE, seed), steps=steps, seed=seed)
        yield Place("share", "0.00", rft, 0.0)
        for share in form.failed_shares:
            rows = Rows(arm=ORACLE, failed_share=share, seed=seed)
            cell = Cell(rows=rows, steps=steps, seed=seed)
            yield Place("share", f"{share:.2f}", cell, share)


def by_tokens(form: Form, steps_of: dict[tuple[str, int], int]) -> Iterator[Place]:
    """Every arm with the steps that give it as many trained tokens as the reference."""
    for seed in range(form.seeds):
        for arm in ARMS:
            cell = Cell(rows=arm_rows(arm, seed), steps=steps_of[arm, seed], seed=seed)
            yield Place("tokens", arm, cell)
