"""A platform whose critics and arms are files that a scenario may change."""

import importlib
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
import polars as pl

from srft_assets.components.asset import stages_in
from srft_assets.components.launch import Applier, open_instance
from srft_assets.definitions import fixed, resources
from srft_assets.home import CHECKOUT, Home
from srft_assets.trajectories.batches import batch_names
from srft_assets.trajectories.ingest import ingest
from srft_assets.warehouse.making import recipe_of
from srft_assets.warehouse.partitions import Stamp, Warehouse, read_stamp
from srft_assets.warehouse.plan import Costs, Item, State, make_plan
from srft_assets.warehouse.stage import in_order
from tests.chain.support import put
from tests.platform.toy import Silent

SHIPPED = CHECKOUT / "srft_assets" / "defs"
CRITICS = ("default", "rules", "strict")
ARMS = {
    "sft": "runs: all",
    "ruled": "critic: rules",
    "srft": "critic: default",
    "careful": "critic: strict\n  mask: [mistake, unnecessary]",
}
"""Attributes of the arms; each but `sft` trains on the verdicts of one critic."""
ARM = """type: srft_assets.components.arm.Arm

attributes:
  {}
  training:
    batches: ["*"]
"""
TRAINED = ("checkpoints", "eval_scores")
"""What training makes. Scenarios put it there and ask the plan about it, because it takes long."""
SEED = "0"


@dataclass(frozen=True)
class Project:
    """`<root>/<name>` holds the YAML folders, `<root>/home` the state, `<root>/runs` the sources.

    The YAML is read by Dagster's own loader, as in `srft_assets.definitions`.
    """

    root: Path
    name: str

    @property
    def home(self) -> Home:
        """The platform's state."""
        return Home(self.root / "home")

    @property
    def warehouse(self) -> Warehouse:
        """Its partitions."""
        return Warehouse(self.home.warehouse)

    @property
    def folder(self) -> Path:
        """The YAML folders."""
        return self.root / self.name

    @staticmethod
    def begin(root: Path, name: str) -> "Project":
        """The shipped critics, and arms that train on each of them."""
        project = Project(root, name)
        for critic in CRITICS:
            shutil.copytree(SHIPPED / "critics" / critic, project.folder / "critics" / critic)
        for arm, attributes in ARMS.items():
            path = project.folder / "arms" / arm / "defs.yaml"
            path.parent.mkdir(parents=True)
            path.write_text(ARM.format(attributes))
        (project.folder / "__init__.py").touch()
        return project

    def copy(self, root: Path, name: str) -> "Project":
        """Another project with the same files and the same state."""
        other = Project(root, name)
        shutil.copytree(self.folder, other.folder, ignore=shutil.ignore_patterns("__pycache__"))
        for part in ("home", "runs"):
            shutil.copytree(self.root / part, root / part)
        other.ingest(path.stem for path in (root / "runs").iterdir())
        return other

    def ingest(self, batches: Iterable[str]) -> None:
        """Register `runs/<batch>.jsonl`, for each batch."""
        for batch in batches:
            source = self.root / "runs" / f"{batch}.jsonl"
            ingest(self.home, [source], batch=batch, partitions=False)

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace a text that is there once in a file below the project's root."""
        file = self.root / path
        text = file.read_text()
        assert text.count(old) == 1, f"{old!r} is {text.count(old)} times in {path}"
        file.write_text(text.replace(old, new))

    def critic(self, name: str, old: str, new: str, file: str = "defs.yaml") -> None:
        """Edit a critic's YAML, or its prompt."""
        self.edit(f"{self.name}/critics/{name}/{file}", old, new)

    def arm(self, name: str, old: str, new: str) -> None:
        """Edit an arm's YAML."""
        self.edit(f"{self.name}/arms/{name}/defs.yaml", old, new)

    def definitions(self) -> dg.Definitions:
        """What Dagster loads from the folder now."""
        module = importlib.import_module(self.name)
        stated = dg.ComponentTree.from_module(defs_module=module, project_root=self.root)
        return dg.Definitions.merge(stated.build_defs(), fixed(), resources())

    def names(self, kind: str) -> Sequence[str]:
        """Partitions by kind, as the command line chooses them."""
        return batch_names(self.home) if kind == "batch" else [SEED]

    def plan(self, costs: Costs = Costs.NONE) -> list[Item]:
        """The plan of the whole graph."""
        stages = stages_in(self.definitions())
        return make_plan(stages, self.home, self.warehouse, self.names, costs=costs)

    def apply(self) -> "Applied":
        """`srft apply` of all but what training makes; what was made again by it."""
        defs = self.definitions()
        wanted = [key for key in stages_in(defs) if key.split("/")[0] not in TRAINED]
        before = self.stamps()
        with open_instance(self.home) as instance:
            applier = Applier(defs, self.home, instance, Silent())
            applier.apply(wanted, self.names("batch"), [SEED])
        return Applied(before, self.stamps())

    def train(self) -> None:
        """Put checkpoints and scores there, in sync with what they would be made from."""
        for stage in in_order(stages_in(self.definitions())):
            if stage.key.split("/")[0] in TRAINED:
                recipe = recipe_of(stage, self.home, self.warehouse, SEED)
                put(self.home, stage, pl.DataFrame(schema=stage.schema), recipe, SEED)

    def stamps(self) -> dict[str, Stamp]:
        """Stamp by `asset/partition`, of all that the graph made; not of earlier versions."""
        root = self.home.warehouse
        found = {
            path.relative_to(root).with_suffix("").as_posix(): read_stamp(path)
            for path in root.rglob("*.parquet")
        }
        return {
            name: stamp
            for name, stamp in found.items()
            if stamp is not None and not name.startswith(("critic_versions/", "verdict_versions/"))
        }

    def verdicts(self, critic: str) -> pl.DataFrame:
        """All verdicts of a critic."""
        frames = [
            self.warehouse.read(f"step_verdicts/{critic}", batch) for batch in self.names("batch")
        ]
        return pl.concat(frames)


@dataclass(frozen=True)
class Applied:
    """The stamps before and after."""

    before: dict[str, Stamp]
    after: dict[str, Stamp] = field(default_factory=dict)

    @property
    def made(self) -> set[str]:
        """`asset/partition` of all that was made, whether or not it came out the same."""
        return {name for name, stamp in self.after.items() if stamp != self.before.get(name)}

    @property
    def changed(self) -> set[str]:
        """Of these, what came out another way."""
        old = {name: stamp.data_version for name, stamp in self.before.items()}
        return {name for name in self.made if self.after[name].data_version != old.get(name)}

    def rows(self, asset: str) -> int:
        """Rows that were made of an asset, or of the assets below a folder."""
        return sum(self.after[name].rows for name in self.made if name.startswith(f"{asset}/"))


def out_of_sync(items: Iterable[Item]) -> set[str]:
    """`asset/partition` of what the plan does not find in sync."""
    return {f"{item.asset}/{item.partition}" for item in items if item.state is not State.IN_SYNC}
