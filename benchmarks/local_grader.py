"""How far the grader without Docker agrees with official labels, and what an instance takes.

    python benchmarks/local_grader.py DATA HOME [--only TEXT] [--workers 1] [--list]

DATA holds tasks/swe-bench, tasks/swe-bench-from-sdists and trajectories/mini-swe-agent-v1 in the
layout of docs/local-grading.md; HOME keeps releases, environments and results, so that a second
run only counts. Two sets: `gold`, the reference patches of runs_py311.json's valid instances
(official label: resolved), and `agent`, patches of mini-swe-agent beside their grading reports.
`--list` tells every patch. Prints one JSON object; the seconds are those of one patch of an
instance whose environment is there.
"""

import argparse
import hashlib
import json
import statistics
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from srft_sdists.build import NotBuiltError
from srft_sdists.check import make_ready
from srft_sdists.grader import GRADER_VERSION, grade_instance

from srft_assets.files import place
from srft_assets.home import Home
from srft_assets.outcomes.grader_choice import Grading
from srft_assets.outcomes.status import Status
from srft_assets.outcomes.task import TaskInstance, read_dataset

GRADING = Grading(grader="local", timeout=1800)


@dataclass(frozen=True)
class Case:
    """One patch and what the official harness said of it."""

    kind: str
    instance_id: str
    patch: str
    label: bool


def cases(data: Path, tasks: dict[str, TaskInstance]) -> list[Case]:
    """The patches of both sets whose instance the data set holds."""
    recorded = json.loads((data / "tasks/swe-bench-from-sdists/runs_py311.json").read_bytes())
    valid = [row["instance_id"] for row in recorded if row["valid"]]
    gold = [Case("gold", one, tasks[one].patch, True) for one in valid if one in tasks]
    runs = data / "trajectories/mini-swe-agent-v1"
    predictions = json.loads((runs / "preds.json").read_bytes())
    labels = {
        row["instance_id"]: row["resolved"]
        for row in json.loads((runs / "manifest.json").read_bytes())
    }
    agent = [
        Case("agent", one, predictions[one]["model_patch"], labels[one])
        for one in sorted(predictions)
        if one in tasks and one in labels
    ]
    return gold + agent


def grade_case(case: Case, task: TaskInstance, home: Home) -> dict[str, Any]:
    """One row; kept in HOME unless the machine failed."""
    key = hashlib.sha256(f"{GRADER_VERSION}\n{case.instance_id}\n{case.patch}".encode()).hexdigest()
    path = home.root / "results" / f"{key[:24]}.json"
    if path.exists():
        return {**asdict(case), **json.loads(path.read_bytes())}
    with suppress(NotBuiltError):
        make_ready(task, home, GRADING)
    began = time.perf_counter()
    outcome = grade_instance(task, case.patch, home, GRADING)
    row = {
        "status": outcome.status.value,
        "reason": outcome.reason,
        "f2p": [outcome.f2p_passed, outcome.f2p_total],
        "p2p": [outcome.p2p_passed, outcome.p2p_total],
        "about": (outcome.log or "").partition("\n")[0],
        "seconds": round(time.perf_counter() - began, 1),
    }
    if outcome.status is not Status.INFRA_ERROR:
        place(path, json.dumps(row).encode())
    print(case.kind, case.instance_id, row, "official:", case.label, file=sys.stderr, flush=True)
    return {**asdict(case), **row}


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Agreement of those graded, and why the others were not."""
    graded = [row for row in rows if row["status"] != Status.INFRA_ERROR]
    agree = [row for row in graded if (row["status"] == Status.RESOLVED) == row["label"]]
    others = [row["instance_id"] for row in graded if row not in agree]
    reasons = Counter(
        row["reason"].split(";")[0][:110] for row in rows if row["status"] == Status.INFRA_ERROR
    )
    return {
        "patches": len(rows),
        "graded": len(graded),
        "agree": len(agree),
        "official resolved among graded": sum(row["label"] for row in graded),
        "disagree": others,
        "median seconds": statistics.median(row["seconds"] for row in graded) if graded else None,
        "not graded": dict(reasons.most_common()),
    }


def main() -> None:
    """Grade all of both sets, and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("home", type=Path)
    parser.add_argument("--only", default="", help="instances whose id holds this")
    parser.add_argument("--set", choices=["gold", "agent"])
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--list", action="store_true")
    args = parser.parse_args()
    source = str(args.data / "tasks/swe-bench/swe_bench_verified.parquet")
    home = Home(args.home.resolve())
    everything = json.loads((args.data / "tasks/swe-bench-from-sdists/runs_py311.json").read_text())
    predictions = args.data / "trajectories/mini-swe-agent-v1/preds.json"
    ids = {row["instance_id"] for row in everything} | {*json.loads(predictions.read_text())}
    tasks = read_dataset(source, ids)
    wanted = [
        case
        for case in cases(args.data, tasks)
        if args.only in case.instance_id and args.set in (None, case.kind)
    ]
    with ThreadPoolExecutor(args.workers) as pool:
        rows = list(pool.map(lambda case: grade_case(case, tasks[case.instance_id], home), wanted))
    figures = {
        kind: summary([row for row in rows if row["kind"] == kind]) for kind in ("gold", "agent")
    }
    kept = [{name: row[name] for name in row if name != "patch"} for row in rows]
    print(json.dumps({**figures, **({"rows": kept} if args.list else {})}, indent=2))


if __name__ == "__main__":
    main()
