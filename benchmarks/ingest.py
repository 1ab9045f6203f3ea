"""How fast runs go from files to Parquet partitions, and how much memory that takes.

The rate is stated as a ratio: the time of `json.loads` alone over the same bytes, divided by the
time of ingest whole (look at the files, hash, register, read, cut into steps, write Parquet with
its data version), alternating in one process, after one round of each that does not count.
Memory is the peak of a fresh process each, for a source of one batch and for one of ten.

    python benchmarks/ingest.py FOLDER [--megabytes 300] [--files 2000] [--rounds 5]

FOLDER holds mini-swe-agent `.traj.json` files.
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path

from srft_assets.home import Home
from srft_assets.trajectories.ingest import BATCH_SIZE, ingest
from srft_assets.trajectories.stage import trajectories_stage
from srft_assets.warehouse.making import make_partition, work_alone

MB = 1 << 20


def ingest_whole(source: Path, folder: Path) -> int:
    """Ingest a source into a platform of its own in `folder`; returns the number of runs."""
    home = Home(Path(tempfile.mkdtemp(dir=folder)))
    stage = trajectories_stage()
    runs = 0
    for batch in ingest(home, [source], batch="bench").batches:
        work = work_alone(stage, home, batch, run_id="bench")
        runs += make_partition(stage, work)[1].rows
    return runs


def parse_files(folder: Path) -> None:
    """`json.loads` of every file."""
    for path in folder.glob("*.json"):
        json.loads(path.read_bytes())


def parse_lines(source: Path) -> None:
    """`json.loads` of every line."""
    with source.open("rb") as file:
        for line in file:
            json.loads(line)


def seconds(call: Callable[[], object]) -> tuple[float, float]:
    """Wall time of a call, and the processor's time, on which other programs bear less."""
    wall, processor = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - wall, time.process_time() - processor


def compare(name: str, size: int, parse: Callable[[], object], source: Path, rounds: int) -> None:
    """Print both rates and their ratios, medians over rounds."""
    with tempfile.TemporaryDirectory() as folder:
        whole = partial(ingest_whole, source, Path(folder))
        parse(), whole()
        times = [(*seconds(parse), *seconds(whole)) for _ in range(rounds)]
    columns = zip(*times, strict=True)
    parsed, parsed_cpu, made, made_cpu = (statistics.median(column) for column in columns)
    print(
        f"{name}: {size / MB:.0f} MB; json.loads {size / MB / parsed:.0f} MB/s, "
        f"ingest {size / MB / made:.0f} MB/s, ratio {parsed / made:.2f} "
        f"(of processor time {parsed_cpu / made_cpu:.2f})"
    )


def write_lines(folder: Path, target: Path, size: int) -> Path:
    """At least `size` bytes of JSON Lines: the runs of `folder`, each as a task of its own."""
    runs = [json.loads(path.read_bytes()) for path in sorted(folder.glob("*.json"))]
    with target.open("w") as file:
        number = 0
        while file.tell() < size:
            run = runs[number % len(runs)]
            name = f"{run['instance_id']}-{number:05}"
            file.write(json.dumps({**run, "instance_id": name}) + "\n")
            number += 1
    return target


def write_files(lines: Path, folder: Path, number: int) -> Path:
    """The first `number` runs of a JSON Lines file, each in a file of its own, in their order."""
    folder.mkdir()
    with lines.open("rb") as file:
        for place, line in enumerate(islice(file, number)):
            (folder / f"{place:05}.json").write_bytes(line)
    return folder


def peak_mb(source: Path) -> float:
    """Peak resident memory of a process that ingests `source`."""
    argv = [sys.executable, __file__, str(source), "--peak"]
    return float(subprocess.run(argv, check=True, capture_output=True, text=True).stdout)


def own_peak_mb() -> float:
    """Of this process since it began; `getrusage` would count the parent before the exec too."""
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert peak is not None
    return int(peak[1]) / 1024


def compare_files(folder: Path, rounds: int) -> None:
    """Compare over the files of a folder."""
    sizes = [path.stat().st_size for path in folder.glob("*.json")]
    name = f"{len(sizes)} files"
    compare(name, sum(sizes), partial(parse_files, folder), folder, rounds)


def measure(folder: Path, stated: argparse.Namespace) -> None:
    """Print the figures."""
    compare_files(folder, stated.rounds)
    with tempfile.TemporaryDirectory() as scratch:
        large = write_lines(folder, Path(scratch) / "large.jsonl", stated.megabytes * MB)
        files = write_files(large, Path(scratch) / "files", stated.files)
        compare_files(files, stated.rounds)
        size = large.stat().st_size
        compare("one .jsonl", size, partial(parse_lines, large), large, stated.rounds)
        small = Path(scratch) / "small.jsonl"
        with large.open("rb") as file:
            small.write_bytes(b"".join(islice(file, BATCH_SIZE)))
        one, all_of_it = peak_mb(small), peak_mb(large)
        print(
            f"peak memory: {one:.0f} MB for {small.stat().st_size / MB:.0f} MB (one batch), "
            f"{all_of_it:.0f} MB for {size / MB:.0f} MB, ratio {all_of_it / one:.2f}"
        )


def main() -> None:
    """Measure, or with `--peak` ingest once and print the peak memory of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, help="a folder of .traj.json files, or a source")
    parser.add_argument("--megabytes", type=int, default=300, help="of the large source")
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peak", action="store_true", help=argparse.SUPPRESS)
    stated = parser.parse_args()
    if stated.peak:
        with tempfile.TemporaryDirectory() as folder:
            ingest_whole(stated.runs, Path(folder))
        print(own_peak_mb())
    elif any(stated.runs.glob("*.json")):
        measure(stated.runs, stated)
    else:
        parser.error(f"no .json files in {stated.runs}")


if __name__ == "__main__":
    main()
