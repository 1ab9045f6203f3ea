"""What the platform made for the experiment: runs, outcomes, labels, the base model."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import polars as pl
import yaml

import srft_assets
from srft_assets.critic.scores.gold import majority
from srft_assets.critic.verdict import Label
from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.outcomes.model import Status
from srft_assets.tokens.arm import ArmSpec
from srft_assets.tokens.labels import Labels
from srft_assets.tokens.model_folder import model_source
from srft_assets.warehouse.store import ONLY, Warehouse

BATCH = "lab-reproduce"
BASE_MODEL, CRITIC, GOLD = "tiny", "rules", "lab"
NEEDED = (f"base_models/{BASE_MODEL}", "test_outcomes", f"step_verdicts/{CRITIC}", "gold_labels")
"""Assets that the experiment reads."""


@dataclass(frozen=True)
class Data:
    """Rows of the warehouse of one batch."""

    home: Home
    batch: str = BATCH

    @cached_property
    def warehouse(self) -> Warehouse:
        """Where they lie."""
        return Warehouse(self.home.warehouse)

    @cached_property
    def runs(self) -> pl.DataFrame:
        """Rows of `trajectories`."""
        return self.warehouse.read("trajectories", self.batch)

    @cached_property
    def outcomes(self) -> pl.DataFrame:
        """Rows of `test_outcomes`."""
        return self.warehouse.read("test_outcomes", self.batch)

    @cached_property
    def status(self) -> Mapping[str, Status]:
        """Trajectory id → outcome."""
        cells = self.outcomes.select("trajectory_id", "status").iter_rows()
        return {name: Status(status) for name, status in cells}

    @cached_property
    def failed(self) -> list[str]:
        """Ids of the runs that are not resolved, sorted."""
        ids = sorted(self.runs["trajectory_id"])
        return [name for name in ids if self.status[name] != Status.RESOLVED]

    @property
    def failed_share(self) -> float:
        """Failed runs among all."""
        return len(self.failed) / self.runs.height

    @cached_property
    def rules(self) -> Labels:
        """Of the rules critic."""
        return by_run(self.warehouse.read(f"step_verdicts/{CRITIC}", self.batch))

    @cached_property
    def oracle(self) -> Labels:
        """What the teacher said of its own steps."""
        gold = self.warehouse.read("gold_labels", ONLY).filter(
            pl.col("set") == GOLD, pl.col("label").is_not_null()
        )
        return by_run(majority(gold)[0])

    def labels(self, arm: ArmSpec) -> Labels:
        """Whose labels mask the steps of an arm, as its YAML says."""
        if arm.gold == GOLD:
            return self.oracle
        if arm.critic == CRITIC:
            return self.rules
        if arm.labelled:
            raise SrftError(f"arm {arm.name}: there are labels of {CRITIC} and {GOLD} only")
        return {}

    @cached_property
    def base(self) -> Path:
        """Folder of the base model."""
        return Path(model_source(BASE_MODEL, self.home, self.warehouse.read))

    @property
    def versions(self) -> dict[str, str]:
        """Data versions of all that is read."""
        places = [("trajectories", self.batch), ("test_outcomes", self.batch)]
        places += [(f"step_verdicts/{CRITIC}", self.batch)]
        places += [("gold_labels", ONLY), (f"base_models/{BASE_MODEL}", ONLY)]
        stamps = {f"{asset}/{name}": self.warehouse.stamp(asset, name) for asset, name in places}
        return {name: stamp.data_version for name, stamp in stamps.items() if stamp}


def by_run(frame: pl.DataFrame) -> dict[str, dict[int, Label]]:
    """Rows of trajectory_id, step_index and label as `Labels`."""
    labels: dict[str, dict[int, Label]] = {}
    for trajectory_id, step, label in frame["trajectory_id", "step_index", "label"].iter_rows():
        labels.setdefault(trajectory_id, {})[step] = Label(label)
    return labels


def arm_spec(name: str) -> ArmSpec:
    """The arm of the platform, from its YAML."""
    path = Path(srft_assets.__file__).parent / "defs" / "arms" / name / "defs.yaml"
    stated = yaml.safe_load(path.read_text(encoding="utf-8"))["attributes"]
    return ArmSpec(name=name, **stated)
