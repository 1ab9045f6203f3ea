"""Rate of rendering, masking and verifying against bare tokenization of the same text.

    python benchmarks/tokens.py TOKENIZER RUNS… [--rounds 5]

TOKENIZER is a model folder or a Hugging Face id with a chat template; RUNS are folders of recorded
runs in any format that `srft ingest` reads. Prints one JSON object: `ratio` is the wall time of
`encode_batch` alone over that of `mask_runs`, medians of alternating rounds in this process;
`cpu_ratio` the same in CPU time over all threads, which a busy machine disturbs less.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson

from srft_assets.tokens.errors import RunRefusedError
from srft_assets.tokens.mask import Job, mask_runs
from srft_assets.tokens.render import render
from srft_assets.tokens.row import MaskedRow
from srft_assets.tokens.tokenizer import ChatTokenizer, load_tokenizer
from srft_assets.trajectories.errors import RecordError
from srft_assets.trajectories.formats import read_record
from srft_assets.trajectories.model import Trajectory


def runs_below(folders: list[Path]) -> Iterator[Trajectory]:
    """Runs in the JSON files below the folders; files that hold none are passed over."""
    for folder in folders:
        for path in sorted(folder.rglob("*.json")) + sorted(folder.rglob("*.traj")):
            record = orjson.loads(path.read_bytes())
            try:
                yield read_record(record, source=path.name, row=0, hint=path.name, format=None)
            except RecordError:
                continue


def renderings(runs: list[Trajectory], tokenizer: ChatTokenizer) -> Iterator[str]:
    """Rendered chats of the runs that can be rendered."""
    for run in runs:
        try:
            yield render(run, tokenizer).text
        except RunRefusedError:
            continue


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds of wall time and of CPU time."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def medians(rounds: list[tuple[float, float]]) -> tuple[float, float]:
    """Median of each."""
    return statistics.median(w for w, _ in rounds), statistics.median(c for _, c in rounds)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tokenizer")
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--rounds", type=int, default=5)
    stated = parser.parse_args()
    tokenizer = load_tokenizer(stated.tokenizer)
    runs = list(runs_below(stated.runs))
    texts = list(renderings(runs, tokenizer))
    jobs = [Job(run, {step.step_index: True for step in run.steps}) for run in runs]

    def bare() -> object:
        return tokenizer.backend.encode_batch(texts, add_special_tokens=False)

    def masked() -> list[MaskedRow | RunRefusedError]:
        return list(mask_runs(jobs, tokenizer))

    rows = [row for row in masked() if isinstance(row, MaskedRow)]
    pairs = [(timed(bare), timed(masked)) for _ in range(stated.rounds)]
    alone, alone_cpu = medians([pair[0] for pair in pairs])
    ours, ours_cpu = medians([pair[1] for pair in pairs])
    tokens = sum(row.n_tokens for row in rows)
    print(
        orjson.dumps(
            {
                "runs": len(rows),
                "refused": len(runs) - len(rows),
                "tokens": tokens,
                "encode_batch_tokens_per_second": round(tokens / alone),
                "masked_tokens_per_second": round(tokens / ours),
                "ratio": round(alone / ours, 3),
                "cpu_ratio": round(alone_cpu / ours_cpu, 3),
                "ratios_by_round": [round(a / b, 3) for (a, _), (b, _) in pairs],
            },
            option=orjson.OPT_INDENT_2,
        ).decode()
    )


if __name__ == "__main__":
    main()
