"""How fast verdicts are made where the ledger answers every call: steps a second.

Runs are rendered, requests hashed and looked up, answers parsed, rows written: all that a change
which costs no call takes. Prints one JSON object.
"""

import argparse
import json
import logging
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.plan import PROMPT, critic, runs
from srft_assets.critic.calls import Reply
from srft_assets.critic.exchanges import Batch, judged_outcomes, judged_runs
from srft_assets.critic.ledger import Ledger
from srft_assets.critic.prompt.template import load_prompt
from srft_assets.critic.spec import LlmSpec
from srft_assets.home import Home
from srft_assets.outcomes.stage import test_outcomes_stage
from srft_assets.trajectories.batches import batch_names
from srft_assets.trajectories.ingest import ingest
from srft_assets.trajectories.stage import trajectories_stage
from srft_assets.warehouse.making import make_partition, recipe_of
from srft_assets.warehouse.partitions import ONLY, Warehouse
from srft_assets.warehouse.stage import IDLE, Stage, Work, no_launch

LABELS = ("good", "mistake", "recover", "unnecessary")
REASON = "The edit undoes what the step before it got right, and no test was run on it."
BATCH_RUNS = 200


def make(home: Home, stage: Stage, name: str) -> int:
    """Make a partition; its rows."""
    warehouse = Warehouse(home.warehouse)
    recipe = recipe_of(stage, home, warehouse, name)
    log = logging.getLogger(__name__)
    work = Work(home, warehouse, name, recipe, "bench", IDLE, no_launch, log)
    return make_partition(stage, work)[1].rows


def answer(key: str, steps: range) -> Reply:
    """What a model answers to a request."""
    told = {str(i): {"reason": REASON, "label": LABELS[(i + len(key)) % 4]} for i in steps}
    return Reply(key, json.dumps(told), None, "stop", "critic", at="2026-01-01T00:00:00+00:00")


def answer_all(home: Home, spec: LlmSpec, prompt: Path) -> int:
    """Fill the ledger; the calls it took."""
    warehouse, loaded, calls = Warehouse(home.warehouse), load_prompt(prompt, spec), 0
    with Ledger(home) as ledger:
        for name in batch_names(home):
            frames = [warehouse.read(key, name) for key in ("trajectories", "test_outcomes")]
            judged = judged_runs(spec, home, name, frames[0], judged_outcomes(spec, frames[1]))
            for exchange in Batch(spec, loaded, ledger).open(judged):
                ledger.keep(answer(exchange.request.key, exchange.request.steps))
                calls += 1
    return calls


def main(arguments: Sequence[str]) -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2000, help="failed runs")
    parser.add_argument("--steps", type=int, default=30, help="steps a run")
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        home, source = Home(Path(folder) / "home"), Path(folder) / "runs.jsonl"
        rows = ({**row, "resolved": False} for row in runs(given.runs, given.steps))
        source.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        ingest(home, [source], batch="runs", batch_size=BATCH_RUNS)
        stages = critic(PROMPT.read_text(), Path(folder))
        make(home, stages["critic_prompt/default"], ONLY)
        for name in batch_names(home):
            make(home, trajectories_stage(), name)
            make(home, test_outcomes_stage(), name)
        spec = LlmSpec(kind="llm", model="critic")
        calls = answer_all(home, spec, Path(folder) / "prompt.md")
        seconds, steps = [], 0
        for _ in range(given.repeats):
            began = time.perf_counter()
            verdicts = stages["step_verdicts/default"]
            steps = sum(make(home, verdicts, name) for name in batch_names(home))
            seconds.append(time.perf_counter() - began)
    told = {
        "runs": calls,
        "steps": steps,
        "seconds": round(statistics.median(seconds), 2),
        "steps_a_second": round(steps / statistics.median(seconds)),
        "ms_a_run": round(1000 * statistics.median(seconds) / calls, 2),
    }
    print(json.dumps(told, indent=2))


if __name__ == "__main__":
    main(sys.argv[1:])
