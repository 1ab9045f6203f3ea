"""How long the plan of a large platform takes: in sync, and after one word of a prompt changed.

200 batches, 3 critics, 5 arms, 5 seeds. Prints one JSON object. After an edit the plan estimates
the calls it costs from what partitions say of themselves. `exact` renders every prompt of the
critic and looks it up in the ledger, so that its time grows with the runs.
"""

import argparse
import json
import logging
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import polars as pl

from srft_assets.components.asset import stages_in
from srft_assets.critic.calls import Reply
from srft_assets.critic.ledger import Ledger
from srft_assets.critic.prompt.template import load_prompt
from srft_assets.critic.spec import LlmSpec
from srft_assets.critic.stages import llm_stage, prompt_stage
from srft_assets.definitions import defs
from srft_assets.home import CHECKOUT, Home
from srft_assets.trajectories.batches import batch_names
from srft_assets.trajectories.ingest import ingest
from srft_assets.warehouse.making import make_partition, recipe_of
from srft_assets.warehouse.partitions import ONLY, Stamp, Warehouse, data_version
from srft_assets.warehouse.plan import Costs, Item, make_plan
from srft_assets.warehouse.recipe import digest
from srft_assets.warehouse.stage import IDLE, Stage, Work, in_order, no_launch

CRITICS = ("default", "rules", "strict")
ARMS = ("sft", "rft", "srft", "unresolved_masked", "unresolved_only")
SEEDS = ["0", "1", "2", "3", "4"]
REALLY_MADE = ("trajectories", "test_outcomes", "critic_prompt")
"""The rest is there with its stamp and estimated rows: a plan reads stamps."""
PROMPT = CHECKOUT / "srft_assets" / "defs" / "critics" / "default" / "prompt.md"
OLD, NEW = "Read the edits.", "Read all edits."
FAMILY = "lab-bench"


def runs(count: int, steps: int) -> Iterator[dict[str, Any]]:
    """Rows as SWE-smith-trajectories holds them; half of the runs failed."""
    turn = [
        {"role": "assistant", "content": "Look.\n<function=bash>\n<parameter=command>ls src"},
        {"role": "user", "content": "OBSERVATION:\n" + "src/parser.py: 120 lines\n" * 20},
    ]
    for number in range(count):
        head = [{"role": "user", "content": f"Fix the parser, case {number}."}]
        yield {
            "instance_id": f"task-{number}",
            "messages": [*head, *(turn * steps)],
            "resolved": number % 2 == 0,
            "patch": "diff",
        }


def critic(prompt: str, folder: Path) -> dict[str, Stage]:
    """The stages of the critic `default` with another prompt."""
    path = folder / "prompt.md"
    path.write_text(prompt)
    spec = LlmSpec(kind="llm", model="critic")
    loaded = load_prompt(path, spec)
    stages = (prompt_stage("default", spec, loaded), llm_stage("default", spec, loaded))
    return {stage.key: stage for stage in stages}


def platform(folder: Path) -> dict[str, Stage]:
    """The stages that ship, of three critics and five arms."""
    chosen = {*CRITICS, *ARMS, "tiny"}
    known = stages_in(defs()).items()
    kept = {key: stage for key, stage in known if "/" not in key or key.split("/")[1] in chosen}
    return kept | critic(PROMPT.read_text(), folder)


def names_of(home: Home) -> Callable[[str], Sequence[str]]:
    """Partitions by kind."""
    batches = batch_names(home)
    return lambda kind: {"batch": batches, "seed": SEEDS, "none": [ONLY]}[kind]


def fill(home: Home, stages: Mapping[str, Stage]) -> None:
    """Bring every partition in sync."""
    warehouse, names = Warehouse(home.warehouse), names_of(home)
    for stage in in_order(stages):
        for name in names(stage.partitioned_by):
            recipe = recipe_of(stage, home, warehouse, name)
            if stage.key.split("/")[0] in REALLY_MADE:
                log = logging.getLogger(__name__)
                work = Work(home, warehouse, name, recipe, "bench", IDLE, no_launch, log)
                make_partition(stage, work)
                continue
            frame = pl.DataFrame(schema=stage.schema)
            stamp = Stamp(recipe, recipe.fingerprint, data_version(frame), 0, "bench", "")
            warehouse.write(stage.key, name, frame, stamp)


def remember(home: Home, answers: int) -> None:
    """A ledger of other prompts' answers, three kilobytes each."""
    with Ledger(home) as ledger, ThreadPoolExecutor(32) as pool:
        said = json.dumps(
            {str(step): {"reason": "why " * 15, "label": "good"} for step in range(30)}
        )
        replies = (
            Reply(digest(number), said, None, "stop", "critic", at="2026-01-01T00:00:00+00:00")
            for number in range(answers)
        )
        for _ in pool.map(ledger.keep, replies):
            pass


def measured(repeats: int, home: Home, stages: Mapping[str, Stage], costs: Costs) -> dict[str, Any]:
    """Median seconds of a plan, and what it says."""
    seconds, items = [], list[Item]()
    for _ in range(repeats):
        began = time.perf_counter()
        warehouse, names = Warehouse(home.warehouse), names_of(home)
        items = make_plan(stages, home, warehouse, names, costs=costs)
        seconds.append(time.perf_counter() - began)
    away = [item for item in items if item.state != "in sync"]
    calls = sum(item.cost.calls for item in items if item.cost)
    return {
        "seconds": round(statistics.median(seconds), 3),
        "partitions": len(items),
        "not_in_sync": len(away),
        "calls": calls,
    }


def main(arguments: Sequence[str]) -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batches", type=int, default=200)
    parser.add_argument("--runs", type=int, default=4, help="runs a batch, a file each")
    parser.add_argument("--steps", type=int, default=30, help="steps a run")
    parser.add_argument("--answers", type=int, default=10_000, help="in the ledger")
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder) / "home")
        source = Path(folder) / "runs"
        source.mkdir()
        for row in runs(given.batches * given.runs, given.steps):
            (source / f"{row['instance_id']}.json").write_text(json.dumps(row))
        ingest(home, [source], batch=FAMILY, batch_size=given.runs)
        stages = platform(Path(folder))
        fill(home, stages)
        remember(home, given.answers)
        edited = {**stages, **critic(PROMPT.read_text().replace(OLD, NEW), Path(folder))}
        in_sync = measured(given.repeats, home, stages, costs=Costs.ESTIMATED)
        estimated = measured(given.repeats, home, edited, costs=Costs.ESTIMATED)
        with_costs = measured(given.repeats, home, edited, costs=Costs.EXACT)
    rendering = with_costs["seconds"] - estimated["seconds"]
    told = {
        "in_sync": in_sync,
        "one_word": estimated,
        "one_word_exact": with_costs,
        "ms_a_call_rendered_and_looked_up": round(1000 * rendering / with_costs["calls"], 2),
    }
    print(json.dumps(told, indent=2))


if __name__ == "__main__":
    main(sys.argv[1:])
