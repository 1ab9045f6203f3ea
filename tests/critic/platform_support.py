"""A platform with graded runs, and a critic that asks a server."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from srft_assets.critic.prompt.template import Prompt, load_prompt
from srft_assets.critic.spec import LlmSpec
from srft_assets.critic.stages import count, llm_stage, prompt_stage
from srft_assets.files import place
from srft_assets.home import Home
from srft_assets.outcomes.stage import test_outcomes_stage
from srft_assets.trajectories.ingest import ingest
from srft_assets.trajectories.stage import trajectories_stage
from srft_assets.warehouse.cost import Cost
from srft_assets.warehouse.stage import Made
from tests.outcomes.conftest import make
from tests.trajectories.ingest_support import run_of, write_lines

WORDS = """{% block system %}
Label every step. {{ answer }}
{% endblock %}
{% block user %}
{{ task }}
{{ run }}
Label steps {{ first_step }} to {{ last_step }}.
{% endblock %}
"""


@dataclass
class Labeller:
    """One critic on one platform."""

    home: Home
    base_url: str
    settings: dict[str, Any] = field(default_factory=dict)
    words: str = WORDS

    @property
    def spec(self) -> LlmSpec:
        endpoint = {"base_url": self.base_url, **self.settings.get("endpoint", {})}
        return LlmSpec(kind="llm", model="m", **{**self.settings, "endpoint": endpoint})

    @property
    def prompt(self) -> Prompt:
        path = self.home.root / "prompt.md"
        place(path, self.words.encode())  # another thread may read it
        return load_prompt(path, self.spec)

    def label(self, batch: str = "batch", **work: Any) -> Made:
        """Make prompt and verdicts, as the engine does."""
        make(self.home, prompt_stage("c", self.spec, self.prompt), "all")
        return make(self.home, llm_stage("c", self.spec, self.prompt), batch, **work)

    def cost(self, batch: str = "batch") -> Cost:
        return count(self.spec, self.prompt, self.home, batch)


def graded_runs(home: Home, runs: list[tuple[str, int, bool]], batch: str = "batch") -> None:
    """Ingest runs (name, steps, resolved) as one batch, with their outcomes."""
    rows = [
        {**run_of(name, turns=steps), "resolved": resolved, "patch": "diff"}
        for name, steps, resolved in runs
    ]
    ingest_paths(home, [write_lines(home.inbox / f"{batch}.jsonl", rows)], batch)


def ingest_paths(home: Home, paths: list[Path], batch: str) -> None:
    """Ingest files as one batch and make what labels need."""
    ingest(home, paths, batch=batch)
    make(home, trajectories_stage(), batch)
    make(home, test_outcomes_stage(), batch)


def labels(frame: pl.DataFrame) -> dict[str, list[str]]:
    """Task → labels in step order."""
    rows = frame.sort("trajectory_id", "step_index").iter_rows(named=True)
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(row["trajectory_id"].rpartition(".")[0], []).append(row["label"])
    return found
