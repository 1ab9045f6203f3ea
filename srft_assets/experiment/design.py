"""The conditions of the experiment as arms of a project of its own, fixed before any is trained,
and what is drawn for them from the runs of the teacher.
"""

import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any

import polars as pl
import yaml
from pydantic import BaseModel

import srft_assets
from srft_assets.critic.gold.labels import STEP, GoldLabel, merge_labels
from srft_assets.experiment import Regime
from srft_assets.home import Home
from srft_assets.warehouse.partitions import ONLY, Warehouse

BATCH = "lab-reproduce"
CRITIC, GOLD = "rules", "lab"
NEEDED = ("test_outcomes", f"step_verdicts/{CRITIC}", "gold_labels")
"""Assets that the conditions are drawn from."""
MISTAKE = "mistake"


@dataclass(frozen=True, slots=True)
class Facts:
    """What an arm trains on; tokens of all rows, each counted once.

    `used`: rows with any loss; training leaves out the others. `steps_masked`: steps without loss.
    """

    runs: int
    used: int
    resolved: int
    tokens: int
    trained: int
    masked: int
    steps_masked: int

    @property
    def trained_a_run(self) -> float:
        """Mean trained tokens of the rows that are used."""
        return self.trained / self.used


@dataclass(frozen=True)
class Teacher:
    """Runs of the scripted teacher, from the warehouse of the experiment's home."""

    home: Home

    @cached_property
    def warehouse(self) -> Warehouse:
        return Warehouse(self.home.warehouse)

    @cached_property
    def outcomes(self) -> pl.DataFrame:
        return self.warehouse.read("test_outcomes", BATCH).sort("trajectory_id")

    @cached_property
    def resolved(self) -> list[str]:
        """Ids of the resolved runs, sorted."""
        return self.outcomes.filter(pl.col("status") == "resolved")["trajectory_id"].to_list()

    @cached_property
    def failed(self) -> list[str]:
        """Ids of all other runs, sorted."""
        return self.outcomes.filter(pl.col("status") != "resolved")["trajectory_id"].to_list()

    @cached_property
    def oracle(self) -> pl.DataFrame:
        """The teacher's own labels of the steps of failed runs: STEP and `label`, in order."""
        gold = self.warehouse.read("gold_labels", ONLY)
        own = gold.filter(pl.col("set") == GOLD, pl.col("trajectory_id").is_in(self.failed))
        return own.select(*STEP, "label").sort(STEP)

    @cached_property
    def rules(self) -> pl.DataFrame:
        return self.warehouse.read(f"step_verdicts/{CRITIC}", BATCH)

    def f1(self, labels: pl.DataFrame) -> float:
        """F1 of `mistake` against the oracle; a step without a label is a miss."""
        mistakes = self.oracle.filter(pl.col("label") == MISTAKE)
        called = labels.filter(pl.col("label") == MISTAKE).join(self.oracle, on=STEP, how="semi")
        hits = called.join(mistakes, on=STEP, how="semi").height
        return 2 * hits / (called.height + mistakes.height)

    def moved(self, share: float, seed: int) -> pl.DataFrame:
        """The oracle's labels in which a share of the mistakes is called good, and as many other
        steps mistakes: as many are masked as before, but fewer of the right ones."""
        labels = self.oracle["label"].to_list()
        wrong = [place for place, label in enumerate(labels) if label == MISTAKE]
        right = [place for place, label in enumerate(labels) if label != MISTAKE]
        count = min(round(share * len(wrong)), len(right))
        rng = Random(f"moved/{seed}")
        to_good, to_mistake = rng.sample(wrong, count), rng.sample(right, count)
        for places, label in ((to_good, "good"), (to_mistake, MISTAKE)):
            for place_of_label in places:
                labels[place_of_label] = label
        return self.oracle.with_columns(pl.Series("label", labels))

    def with_share(self, share: float, seed: int) -> list[str]:
        """Ids of runs of which `share` are failed, drawn; as many with every share: as there are
        of the rarer kind, so that nothing but the share differs."""
        rng = Random(f"share/{seed}")
        size = min(len(self.failed), len(self.resolved))
        count = round(share * size)
        return rng.sample(self.failed, count) + rng.sample(self.resolved, size - count)

    def facts(self, arm: str) -> Facts:
        rows = self.warehouse.read(f"masked_tokens/{arm}", BATCH)
        return Facts(
            runs=rows.height,
            used=rows.filter(pl.col("n_trained") > 0).height,
            resolved=rows.filter(pl.col("status") == "resolved").height,
            tokens=int(rows["n_tokens"].sum()),
            trained=int(rows["n_trained"].sum()),
            masked=int(rows["n_masked"].sum()),
            steps_masked=int((~rows["spans"].explode().struct.field("trained")).sum()),
        )


def set_name(share: float, seed: int) -> str:
    return f"moved_{round(100 * share)}_s{seed}"


def write_set(home: Home, name: str, labels: pl.DataFrame) -> None:
    """Put labels there as a gold set, by which an arm is masked."""
    rows = labels.select(*STEP, "label").iter_rows(named=True)
    given = [(place, GoldLabel(**row, annotator="moved")) for place, row in enumerate(rows)]
    merge_labels(home, name, given, name, overwrite=True)


BASE = "base"
"""The base model as it is: one step with the learning rate 0."""
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
"""Names in the report → shipped arms. `oracle` masks by the teacher's own labels."""
ORACLE, REFERENCE = "oracle", "rft"
SEEDED = frozenset({"random_mask"})
"""Arms whose mask is drawn anew with each seed of training: an arm of the project a seed."""
SHIPPED = Path(srft_assets.__file__).parent / "defs"


class Form(BaseModel, extra="forbid", frozen=True):
    """How much is done; the numbers of one training are the regime's."""

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
    seeds=2, tasks=20, runs=60, steps=30, moved=(0.5,), failed_shares=(1.0,), same_tokens=False
)


@dataclass(frozen=True, slots=True)
class Condition:
    """One training and its evaluation, and where its scores stand in the report.

    Attributes:
        series: `steps`, `tokens`, `f1` or `share`.
        level: its name within the series.
        arm: the project's arm; `settings` are the attributes of its YAML.
        seed: of training and sampling, a partition of `checkpoints` and `eval_scores`.
        x: the F1 or the share of failed runs, where the series has one.
    """

    series: str
    level: str
    arm: str
    seed: int
    settings: dict[str, Any]
    x: float | None = None


@dataclass(frozen=True)
class Design:
    """All conditions of a form. The labels and runs that are drawn come from the teacher's."""

    form: Form
    regime: Regime
    teacher: Teacher

    @property
    def steps(self) -> int:
        return self.form.steps or self.regime.optimizer_steps

    @property
    def tasks(self) -> int:
        return self.form.tasks or self.regime.held_out_tasks

    def by_steps(self) -> Iterator[Condition]:
        """The base model, and every arm with the same number of optimizer steps."""
        untrained = self._settings("sft", steps=1, learning_rate=0.0)
        for seed in range(self.form.seeds):
            yield Condition("steps", BASE, BASE, seed, untrained)
            for level in ARMS:
                yield self._of_arm("steps", level, seed)

    def by_f1(self) -> Iterator[Condition]:
        """The oracle's labels, more and more of them moved."""
        for seed in range(self.form.seeds):
            yield self._of_arm("f1", ORACLE, seed, level="0.00", x=1.0)
            for share in self.form.moved:
                gold = set_name(share, seed)
                x = self.teacher.f1(self.teacher.moved(share, seed))
                settings = self._settings(ARMS[ORACLE], gold=gold)
                yield Condition("f1", f"{share:.2f}", gold, seed, settings, x)

    def by_share(self) -> Iterator[Condition]:
        """From resolved runs alone (rft) to failed runs alone, masked by the oracle's labels."""
        for seed in range(self.form.seeds):
            yield self._of_arm("share", REFERENCE, seed, level="0.00", x=0.0)
            for share in self.form.failed_shares:
                ids = ", ".join(f"'{one}'" for one in self.teacher.with_share(share, seed))
                settings = self._settings(ARMS[ORACLE], where=f"trajectory_id IN ({ids})")
                arm = f"failed_{round(100 * share)}_s{seed}"
                yield Condition("share", f"{share:.2f}", arm, seed, settings, share)

    def by_tokens(self) -> Iterator[Condition]:
        """Every arm with the steps that give as many trained tokens as the reference has.

        Needs `masked_tokens` of the arms.
        """
        for seed in range(self.form.seeds):
            for level in ARMS:
                yield self._of_arm("tokens", level, seed, steps=self.token_steps(level, seed))

    def token_steps(self, level: str, seed: int) -> int:
        """Steps with which an arm trains on as many tokens as the reference in its own.

        Rows are drawn equally often, so their mean decides.
        """
        budget = self.steps * self.teacher.facts(REFERENCE).trained_a_run
        return max(1, round(budget / self.teacher.facts(arm_name(level, seed)).trained_a_run))

    def _of_arm(
        self,
        series: str,
        name: str,
        seed: int,
        level: str | None = None,
        x: float | None = None,
        steps: int | None = None,
    ) -> Condition:
        drawn = {"seed": seed} if name in SEEDED else {}
        arm = arm_name(name, seed)
        if steps not in (None, self.steps):
            arm = f"{arm}_tokens"
        settings = self._settings(ARMS[name], steps, **drawn)
        return Condition(series, level or name, arm, seed, settings, x)

    def _settings(
        self,
        shipped: str,
        steps: int | None = None,
        learning_rate: float | None = None,
        **changed: Any,
    ) -> dict[str, Any]:
        """The attributes of a shipped arm with the regime's training and evaluation."""
        regime = self.regime
        path = SHIPPED / "arms" / shipped / "defs.yaml"
        stated = yaml.safe_load(path.read_text(encoding="utf-8"))["attributes"]
        rate = regime.learning_rate if learning_rate is None else learning_rate
        training = {
            "batches": [BATCH],
            "max_steps": steps or self.steps,
            "batch_size": regime.batch_size,
            "learning_rate": rate,
            "warmup_ratio": regime.warmup_ratio,
        }
        evaluation = {
            "tasks": self.tasks,
            "task_seed": regime.held_out_seed,
            "step_limit": regime.step_limit,
            "max_new_tokens": regime.max_new_tokens,
            "temperature": regime.temperature,
        }
        return {**stated, **changed, "training": training, "evaluation": evaluation}


def arm_name(level: str, seed: int) -> str:
    """The project's arm behind a name of the report."""
    return f"{level}_s{seed}" if level in SEEDED else level


def arms_of(conditions: Iterable[Condition]) -> dict[str, dict[str, Any]]:
    """Arm → attributes; one arm may stand in several series."""
    return {one.arm: one.settings for one in conditions}


def project_of(home: Home) -> Path:
    return home.root / "defs"


def write_project(home: Home, arms: Mapping[str, Mapping[str, Any]]) -> None:
    """The critic and these arms, a folder each, as in `srft_assets/defs`; nothing else stays."""
    folder = project_of(home)
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(SHIPPED / "critics" / CRITIC, folder / "critics" / CRITIC)
    for name, settings in arms.items():
        stated = {"type": "srft_assets.components.arm.Arm", "attributes": dict(settings)}
        path = folder / "arms" / name / "defs.yaml"
        path.parent.mkdir(parents=True)
        path.write_text(yaml.safe_dump(stated, sort_keys=False), encoding="utf-8")
