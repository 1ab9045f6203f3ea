"""Rate and memory of rendering, masking and verifying, against the tokenizer and against TRL.

    python benchmarks/tokens.py TOKENIZER RUNS… [--marked TEMPLATE] [--rounds 5]

TOKENIZER is a model folder or a Hugging Face id with a chat template; RUNS are folders of recorded
runs in any format that `srft ingest` reads. Prints one JSON object. Each ratio is the median over
rounds in which the two things are measured one after the other in this process: `ratio` is the
wall time of `encode_batch` alone over that of `mask_runs` on the same text; `cpu_ratio` the same in
CPU time over all threads, which a busy machine disturbs less. `over_apply_chat_template` and
`over_trl` compare with `apply_chat_template(…, return_assistant_tokens_mask=True)` (`…_cpu`: in CPU
time) and with `SFTTrainer`'s own preparation on two processes. Both need the marks of a training
template, which `--marked` names (TRL carries some in `trl/chat_templates`); there all three are
measured on it.
`memory_ratio` is the peak memory of a process that prepares all runs ten times,
as ten batches, over that of one that prepares them once, the writing of the files included.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson
import polars as pl

from benchmarks.marks import against_marks
from benchmarks.recorded import job_of, runs_below
from benchmarks.rounds import alternate, ratio
from srft_assets.tokens.mask import mask_runs
from srft_assets.tokens.render import render
from srft_assets.tokens.token_labels import MASKED_TOKENS, MaskedRow, RunRefusedError
from srft_assets.tokens.tokenizer import ChatTokenizer, load_tokenizer
from srft_assets.trajectories.model import Trajectory
from srft_assets.warehouse.partitions import Stamp, Warehouse, data_version
from srft_assets.warehouse.recipe import Recipe


def against_encode_batch(
    runs: list[Trajectory], tokenizer: ChatTokenizer, rounds: int
) -> dict[str, Any]:
    """Masking against the bare tokenizer on the text of the runs that can be rendered."""
    texts = []
    for run in runs:
        try:
            texts.append(render(run, tokenizer).text)
        except RunRefusedError:
            continue
    jobs = [job_of(run) for run in runs]
    rows = [row for row in mask_runs(jobs, tokenizer) if isinstance(row, MaskedRow)]
    tokens = sum(row.n_tokens for row in rows)
    alone, ours = alternate(
        rounds,
        lambda: tokenizer.backend.encode_batch(texts, add_special_tokens=False),
        lambda: list(mask_runs(jobs, tokenizer)),
    )
    return {
        "runs": len(rows),
        "refused": len(runs) - len(rows),
        "tokens": tokens,
        "masked_tokens_per_second": round(tokens / statistics.median(w for w, _ in ours)),
        "ratio": ratio(alone, ours),
        "cpu_ratio": ratio(alone, ours, which=1),
        "ratios_by_round": [round(a / b, 2) for (a, _), (b, _) in zip(alone, ours, strict=True)],
    }


def prepare(stated: argparse.Namespace) -> None:
    """Make all runs as a batch, `--times` times, and print the peak memory in bytes."""
    tokenizer = load_tokenizer(stated.tokenizer)
    with TemporaryDirectory() as scratch:
        for number in range(stated.times):
            prepare_batch(stated.runs, tokenizer, Warehouse(Path(scratch)), str(number))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


def prepare_batch(
    folders: list[Path], tokenizer: ChatTokenizer, warehouse: Warehouse, name: str
) -> None:
    """One partition, as `masked_tokens` makes and writes it."""
    jobs = (job_of(run) for run in runs_below(folders))
    rows = [row for row in mask_runs(jobs, tokenizer) if isinstance(row, MaskedRow)]
    frame = pl.DataFrame([row.as_row() for row in rows], schema=MASKED_TOKENS)
    stamp = Stamp(Recipe(), name, data_version(frame), frame.height, "benchmark", "")
    warehouse.write("masked_tokens/benchmark", name, frame, stamp)


def peak_memory(stated: argparse.Namespace, times: int) -> int:
    """Peak memory of `prepare` in a process of its own, in bytes."""
    arguments = [stated.tokenizer, *map(str, stated.runs), "--times", str(times)]
    ran = subprocess.run(
        [sys.executable, __file__, *arguments], check=True, capture_output=True, text=True
    )
    return int(ran.stdout.split()[-1])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tokenizer")
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--marked", type=Path)
    parser.add_argument("--times", type=int, default=0, help=argparse.SUPPRESS)
    stated = parser.parse_args()
    if stated.times:
        return prepare(stated)
    once, ten = peak_memory(stated, 1), peak_memory(stated, 10)
    tokenizer = load_tokenizer(stated.tokenizer)
    runs = list(runs_below(stated.runs))
    found = against_encode_batch(runs, tokenizer, stated.rounds)
    if stated.marked is not None:
        template = stated.marked.read_text()
        found |= against_marks(runs, tokenizer, template, max(1, stated.rounds // 2))
    found |= {"peak_memory_mb": round(once / 2**20), "memory_ratio": round(ten / once, 3)}
    found["load_average"] = round(os.getloadavg()[0], 1)
    print(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
    return None


if __name__ == "__main__":
    main()
