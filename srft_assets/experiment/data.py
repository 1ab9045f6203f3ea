"""What the platform made of the teacher's runs, and what the experiment draws from it."""

from dataclasses import dataclass
from functools import cached_property
from random import Random

import orjson
import polars as pl

from srft_assets.home import Home
from srft_assets.warehouse.placing import place
from srft_assets.warehouse.store import ONLY, Warehouse

BATCH = "lab-reproduce"
CRITIC, GOLD = "rules", "lab"
NEEDED = ("test_outcomes", f"step_verdicts/{CRITIC}", "gold_labels")
"""Assets that the conditions are drawn from."""
STEP = ["trajectory_id", "step_index"]
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
        """Where they lie."""
        return Warehouse(self.home.warehouse)

    @cached_property
    def outcomes(self) -> pl.DataFrame:
        """Rows of `test_outcomes`, by run."""
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
        """The rules critic's labels."""
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
        """Of the rows of `masked_tokens/<arm>`."""
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
    """The gold set, and the arm, of moved labels."""
    return f"moved_{round(100 * share)}_s{seed}"


def write_set(home: Home, name: str, labels: pl.DataFrame) -> None:
    """Put labels there as a gold set, `gold/<name>.jsonl`, by which an arm is masked."""
    lines = [
        orjson.dumps({**row, "annotator": "moved"})
        for row in labels.select(*STEP, "label").iter_rows(named=True)
    ]
    place(home.gold / f"{name}.jsonl", b"\n".join(lines) + b"\n")
