"""How many preference pairs the generated tasks give, and whether each shares its context.

    python -m benchmarks.preferences [--runs 160] [--teachers 4]

Scripted teachers of the seeds 2, 3, … play the demo's tasks, the critic `rules` labels their steps,
and `dpo` of the arm `srft` is written. Of each pair with another run the tokens before both steps
are compared in the masked rows. Prints one JSON object.
"""

import argparse
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from srft_assets.experiment import REGIME
from srft_assets.exports.export import Request, export
from srft_assets.home import Home
from srft_assets.platform.stages import load_stages
from srft_assets.trajectories.batches import LAB, write_batch
from srft_assets.warehouse.making import make_partition, work_alone
from srft_assets.warehouse.partitions import ONLY, Warehouse
from srft_assets.warehouse.stage import IDLE, Stage

ARM = "srft"
FIRST = 2
"""The seed of the first teacher; the demo's is another."""
MADE = (
    *("trajectories", "test_outcomes", "integrity", "step_verdicts/rules"),
    f"masked_tokens/{ARM}",
)


def masked(home: Home, stages: dict[str, Stage], runs: int, teachers: int) -> list[str]:
    """Batches that were played, labelled and masked."""
    base = stages["base_models/tiny"]
    make_partition(base, work_alone(base, home, ONLY))
    batches = [f"teacher-{seed}" for seed in range(FIRST, FIRST + teachers)]
    for seed, batch in enumerate(batches, start=FIRST):
        settings = REGIME.batch_settings(runs) | {"teacher_seed": seed}
        write_batch(home, batch, LAB, settings)
        for asset in MADE:
            make_partition(stages[asset], work_alone(stages[asset], home, batch))
    return batches


def rows_of(home: Home, batches: list[str]) -> dict[str, dict[str, Any]]:
    """The first row of each run, by its id."""
    warehouse = Warehouse(home.warehouse)
    frames = (warehouse.read(f"masked_tokens/{ARM}", batch) for batch in batches)
    rows = (row for frame in frames for row in frame.iter_rows(named=True))
    return {row["trajectory_id"]: row for row in rows}


def contexts(row: dict[str, Any]) -> Iterator[list[int]]:
    """The tokens before each step."""
    return (row["input_ids"][: span["start"]] for span in row["spans"])


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=160, help="of each teacher")
    parser.add_argument("--teachers", type=int, default=4)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home, stages = Home(Path(folder) / "home"), load_stages()
        batches = masked(home, stages, given.runs, given.teachers)
        out = Path(folder) / "dpo"
        done = export(Request(ARM, batches, "dpo", out), home, stages, IDLE)
        pairs = pl.concat(map(pl.read_parquet, sorted(out.rglob("*.parquet")))).to_dicts()
        rows = rows_of(home, batches)
    sources = Counter(pair["source"] for pair in pairs)
    others = [pair for pair in pairs if pair["source"] == "other run"]
    told = {
        "runs": len(rows),
        "runs_with_pairs": done.counts.total["runs"],
        "mistakes": sum(s["label"] == "mistake" for row in rows.values() for s in row["spans"]),
        "pairs": len(pairs),
        "sources": dict(sorted(sources.items())),
        "share_their_context": sum(
            [*contexts(rows[pair["trajectory_id"]])][pair["step_index"]]
            in contexts(rows[pair["chosen_from"]])
            for pair in others
        ),
    }
    print(orjson.dumps(told).decode())


if __name__ == "__main__":
    main()
