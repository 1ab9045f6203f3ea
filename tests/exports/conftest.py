"""A platform with masked runs: two batches, with and without tools."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from srft_assets.critic.verdict import STEP_VERDICTS
from srft_assets.exports.export import Exported, Request, export
from srft_assets.home import Home
from srft_assets.integrity.finding import INTEGRITY
from srft_assets.outcomes.status import TEST_OUTCOMES
from srft_assets.tokens.arm import ArmSpec
from srft_assets.tokens.stage import masked_tokens_stage
from srft_assets.tokens.token_labels import MASKED_TOKENS
from srft_assets.tokens.tokenizer import ChatTokenizer
from srft_assets.trajectories.model import TRAJECTORIES, Message, Trajectory, rows_of
from srft_assets.warehouse.making import make_partition, recipe_of
from srft_assets.warehouse.partitions import Stamp, Warehouse, data_version
from srft_assets.warehouse.recipe import Recipe
from srft_assets.warehouse.stage import IDLE, Stage, Work, no_launch
from tests.tokens.conftest import chatml, run_of, tokenizer_with
from tests.tokens.templates import QWEN

__all__ = ["chatml", "tokenizer_with"]

ARM = "srft"
LABELS = ("good", "mistake", "recover")
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "bash",
            "description": "Run a command.",
            "parameters": {"type": "object", "properties": {"command": {"type": "string"}}},
        },
    }
]


def text_run(name: str, *answers: str) -> Trajectory:
    """A run whose actions are text."""
    chat: list[Message] = [
        {"role": "system", "content": "You repair."},
        {"role": "user", "content": f"Fix {name}."},
    ]
    for answer in answers or ("look", "break", "mend"):
        chat += [{"role": "assistant", "content": answer}, {"role": "user", "content": "done"}]
    return replace(run_of(chat), trajectory_id=name, instance_id=f"task-{name}")


def tool_run(name: str, *commands: str, tools: Any = TOOLS) -> Trajectory:
    """A run whose actions are tool calls."""
    chat: list[Message] = [{"role": "user", "content": f"Fix {name}."}]
    for number, command in enumerate(commands or ("ls", "rm x", "git restore x")):
        function = {"name": "bash", "arguments": f'{{"command": "{command}"}}'}
        call = {"id": f"call_{number}", "type": "function", "function": function}
        chat += [
            {"role": "assistant", "content": f"I say {command}.", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": f"call_{number}", "content": "a.py"},
        ]
    return replace(run_of(chat, tools), trajectory_id=name, instance_id=f"task-{name}")


def source(key: str, schema: pl.Schema) -> Stage:
    """A stage without inputs, in sync with what `put` writes."""

    def make(work: Work) -> Any:
        raise AssertionError("it is put there, not made")

    return Stage(key, "batch", (), schema, {}, make)


@dataclass
class Platform:
    """A home, its stages, and one arm."""

    home: Home
    tokenizer: Path
    spec: Mapping[str, Any] = field(default_factory=dict)

    @property
    def warehouse(self) -> Warehouse:
        """Its partitions."""
        return Warehouse(self.home.warehouse)

    @property
    def arm(self) -> ArmSpec:
        """Masks mistakes."""
        stated = {"critic": "rules", "model": str(self.tokenizer), **self.spec}
        return ArmSpec.model_validate({"name": ARM, **stated})

    @property
    def stages(self) -> dict[str, Stage]:
        """By key."""
        found = [
            source("trajectories", TRAJECTORIES),
            source("test_outcomes", TEST_OUTCOMES),
            source("integrity", INTEGRITY),
            replace(source("step_verdicts/rules", STEP_VERDICTS), volatile=("version",)),
            masked_tokens_stage(self.arm),
        ]
        return {stage.key: stage for stage in found}

    def put(self, asset: str, frame: pl.DataFrame, batch: str) -> None:
        """A partition as a stage without inputs makes it."""
        recipe = Recipe()
        stamp = Stamp(recipe, recipe.fingerprint, data_version(frame), frame.height, "test", "")
        self.warehouse.write(asset, batch, frame, stamp)

    def add(self, batch: str, *runs: Trajectory, status: str = "unresolved") -> None:
        """Runs, their outcome, and the labels good, mistake, recover in turn; masked."""
        self.put("trajectories", rows_of(runs, batch), batch)
        rows = [{"trajectory_id": run.trajectory_id, "status": status} for run in runs]
        self.put("test_outcomes", pl.DataFrame(rows, schema=TEST_OUTCOMES), batch)
        self.put("integrity", INTEGRITY.to_frame(), batch)
        verdicts = [
            {
                "trajectory_id": run.trajectory_id,
                "step_index": step.step_index,
                "label": LABELS[step.step_index % 3],
                "version": "0badcafe",
            }
            for run in runs
            for step in run.steps
        ]
        self.put("step_verdicts/rules", pl.DataFrame(verdicts, schema=STEP_VERDICTS), batch)
        self.mask(batch)

    def mask(self, batch: str) -> pl.DataFrame:
        """Make `masked_tokens` of a batch."""
        stage = self.stages[f"masked_tokens/{ARM}"]
        recipe = recipe_of(stage, self.home, self.warehouse, batch)
        log = logging.getLogger("test")
        work = Work(self.home, self.warehouse, batch, recipe, "test", IDLE, no_launch, log)
        return make_partition(stage, work)[0].frame

    def put_rows(self, batch: str, rows: list[dict[str, Any]]) -> None:
        """Masked rows as they are stated, in the place of those that were made."""
        stamp = self.warehouse.stamp(f"masked_tokens/{ARM}", batch)
        assert stamp is not None
        frame = pl.DataFrame(rows, schema=MASKED_TOKENS)
        self.warehouse.write(f"masked_tokens/{ARM}", batch, frame, stamp)

    def rows(self, batch: str) -> list[dict[str, Any]]:
        """The masked rows of a batch."""
        return self.warehouse.read(f"masked_tokens/{ARM}", batch).to_dicts()

    def export(self, form: str, out: Path, *batches: str, **more: Any) -> Exported:
        """`srft export` without its words."""
        names = list(batches) or self.warehouse.partitions("trajectories")
        return export(Request(ARM, names, form, out, **more), self.home, self.stages, IDLE)


@pytest.fixture
def platform_with(
    home: Home, tmp_path: Path, tokenizer_with: Callable[..., ChatTokenizer]
) -> Callable[..., Platform]:
    """Make a platform with the given chat template and settings of the arm."""

    def make(template: str = QWEN, **spec: Any) -> Platform:
        folder = tmp_path / "tokenizer"
        tokenizer_with(template).hf.save_pretrained(folder)
        return Platform(home, folder, spec)

    return make


@pytest.fixture
def platform(platform_with: Callable[..., Platform]) -> Platform:
    """Batch `one`: a run with tools, a run without. Batch `two`: a resolved run."""
    made = platform_with()
    made.add("one", tool_run("a"), text_run("b"))
    made.add("two", tool_run("c"), status="resolved")
    return made
