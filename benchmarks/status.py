"""How long `srft status` and `srft check` take on a large platform, as whole processes.

    python -m benchmarks.status [--batches 340] [--runs 5] [--rounds 5] [--folder FOLDER]

All shipped arms (10), and the shipped critics with one of the project's own (5). Runs come from
`benchmarks/scale_runs.py`; outcomes and the verdicts of the rules are really made, the rest has
rows of the shape that a stage makes, and a stamp by which the plan takes it for made. Prints one
JSON object: beside each command what `import duckdb, polars` alone takes, by turns.
"""

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from benchmarks.scale import SRFT, generate, measured

OWN = "mine"
"""The project's critic."""
REALLY_MADE = ("trajectories", "test_outcomes", "critic_prompt")
LABELS = ("good", "good", "good", "unnecessary", "mistake", "recover")
TOKENS = 4_000
"""Of a run in every arm."""
FURTHER = ("status", "check", "plan")
BARE = "import_duckdb_and_polars"


def fill(folder: Path) -> None:
    """Every partition that is not there yet, in sync."""
    import polars as pl

    from srft_assets.home import current_home
    from srft_assets.platform.stages import load_stages
    from srft_assets.trajectories.batches import batch_names
    from srft_assets.warehouse.making import make_partition, recipe_of, work_alone
    from srft_assets.warehouse.partitions import ONLY, Stamp, Warehouse, data_version
    from srft_assets.warehouse.stage import in_order

    home, stages = current_home(), load_stages()
    warehouse = Warehouse(home.warehouse)
    names = {"batch": batch_names(home), "seed": ["0"], "none": [ONLY]}
    draw = random.Random(0)
    for stage in in_order(stages):
        for name in names[stage.partitioned_by]:
            if stage.key in REALLY_MADE[:2] or stage.key.startswith(REALLY_MADE[2]):
                if warehouse.stamp(stage.key, name) is None:
                    make_partition(stage, work_alone(stage, home, name))
                continue
            recipe = recipe_of(stage, home, warehouse, name)
            rows = rows_of(stage.key, name, warehouse, draw)
            frame = pl.DataFrame(rows, schema=stage.schema)
            stamp = Stamp(
                recipe,
                recipe.fingerprint,
                data_version(frame, stage.volatile),
                frame.height,
                run_id="bench",
                made_at="2026-01-01T00:00:00",
                figures=figures_of(stage.key, frame),
            )
            warehouse.write(stage.key, name, frame, stamp)


def rows_of(
    asset: str, partition: str, warehouse: Any, draw: random.Random
) -> list[Mapping[str, Any]]:
    """Rows such as the stage makes of this partition; columns left out are null."""
    kind, _, name = asset.partition("/")
    if kind == "eval_scores":
        return [
            {"instance_id": f"t-{task}", "attempt": 0, "status": "x", "resolved": task % 3 == 0}
            for task in range(300)
        ]
    if kind == "checkpoints":
        return [{}]
    if kind not in ("step_verdicts", "masked_tokens"):
        return []
    runs = warehouse.read("trajectories", partition, ["trajectory_id", "instance_id", "n_steps"])
    if kind == "masked_tokens":
        return [
            {
                "trajectory_id": run,
                "instance_id": instance,
                "part": 0,
                "n_tokens": TOKENS,
                "n_trained": TOKENS // 4,
                "n_masked": TOKENS // 10,
                "input_ids": draw.choices(range(32_000), k=TOKENS),
                "spans": [],
            }
            for run, instance, _ in runs.iter_rows()
        ]
    return [
        {
            "trajectory_id": run,
            "step_index": step,
            "label": draw.choice(LABELS),
            "reason": "It edits the file that the failing test names.",
            "rule": name,
            "version": name,
        }
        for run, _, steps in runs.iter_rows()
        for step in range(steps)
    ]


def figures_of(asset: str, frame: Any) -> Mapping[str, float]:
    """What the stage would tell of these rows."""
    from srft_assets.critic.verdict import verdict_figures

    kind = asset.partition("/")[0]
    if kind == "step_verdicts":
        return verdict_figures(frame)
    if kind == "masked_tokens":
        names = {"tokens_trained": "n_trained", "tokens_masked": "n_masked"}
        return {told: int(frame[column].sum()) for told, column in names.items()}
    return {}


def platform(folder: Path, batches: int, runs: int) -> dict[str, str]:
    """The home, a project with a critic of its own; the environment that names it."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    (home / "srft.yaml").write_text("base_model: tiny\n")
    env = {**os.environ, "SRFT_HOME": str(home)}
    if env.pop("PYTHONDONTWRITEBYTECODE", ""):  # an installed package has its bytecode
        env["PYTHONPYCACHEPREFIX"] = str(folder / "bytecode")
    if not (home / "critics" / OWN).exists():
        generate(folder, batches * runs)
        for words in (
            [SRFT, "critic", "new", OWN],
            [SRFT, "ingest", str(folder / "source"), "--batch-size", str(runs), "-q"],
            [sys.executable, "-m", "benchmarks.status", "--part", "fill"],
        ):
            subprocess.run(words, env=env, check=True, stdout=subprocess.DEVNULL)
    return env


def figures(folder: Path, batches: int, runs: int, rounds: int) -> dict[str, Any]:
    """Medians over rounds; in every round each command runs once."""
    env = platform(folder, batches, runs)
    seen = orjson.loads(subprocess.check_output([SRFT, "status", "--json"], env=env))
    told: dict[str, Any] = {name: len(seen[name]) for name in ("batches", "critics", "arms")}
    commands = {name: [SRFT, name] for name in FURTHER}
    commands[BARE] = [sys.executable, "-c", "import duckdb, polars"]
    taken = [{name: measured(argv, env) for name, argv in commands.items()} for _ in range(rounds)]
    for name in commands:
        told[name] = {
            which: round(statistics.median(each[name][which] for each in taken), 2)
            for which in ("seconds", "cpu_seconds", "peak_mib")
        }
    return told


def main(arguments: Sequence[str]) -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batches", type=int, default=340)
    parser.add_argument("--runs", type=int, default=5, help="runs a batch")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where the platform is made, and stays")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.part:
        fill(given.folder)
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = (given.folder or Path(scratch)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        told = figures(folder, given.batches, given.runs, given.rounds)
    print(orjson.dumps(told, option=orjson.OPT_INDENT_2).decode())


if __name__ == "__main__":
    main(sys.argv[1:])
