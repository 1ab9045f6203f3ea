"""How large a platform may grow: time and peak memory of every stage over generated runs.

    python -m benchmarks.scale [--runs 67000] [--rounds 3] [--query NAME…] [--folder FOLDER]

Runs come from `benchmarks/scale_runs.py`, in batches of 200. Prints one JSON object. Each thing is
measured in a process of its own: seconds from its start to its end, of the processors, and the
most memory it held.
Ingest, the verdicts of the rules and masks (with a byte-level BPE of 32k tokens, trained here)
grow with the runs; `plan` and an `apply` with nothing to make stand beside `import dagster`, in
alternating rounds. Of a named query `answer_seconds` leaves out the start of Python. 1,000 runs
take about 0.5 GB of disk.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

BATCH = 200
VOCABULARY = 32_000
SRFT = str(Path(sys.executable).with_name("srft"))
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}"
)


def generate(folder: Path, runs: int) -> None:
    """The runs, one JSON Lines file, and the report of their tests."""
    from benchmarks.scale_runs import Runs

    source, made = folder / "source", Runs()
    source.mkdir()
    with (source / "runs.jsonl").open("wb") as file:
        file.writelines(made.lines(runs))
    (source / "report.json").write_bytes(orjson.dumps(made.report(runs)))


def train_tokenizer(folder: Path) -> None:
    """A byte-level BPE with a chat template, trained on other generated runs."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    from benchmarks.scale_runs import Runs

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|im_start|>", "<|im_end|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    other = Runs(seed=1)
    texts = (
        message["content"] for number in range(40) for message in other.run(number)["messages"]
    )
    tokenizer.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>")
    fast.chat_template = TEMPLATE
    fast.save_pretrained(folder / "tokenizer")


def mask(folder: Path) -> None:
    """Masks of all batches, as the arm `srft` has them."""
    from srft_assets.home import current_home
    from srft_assets.tokens.arm import ArmSpec
    from srft_assets.tokens.stage import masked_tokens_stage
    from srft_assets.trajectories.batches import batch_names
    from srft_assets.warehouse.making import make_partition, work_alone

    model = str(folder / "tokenizer")
    arm = ArmSpec(name="scale", model=model, runs="all", critic="rules", mask=["mistake"])
    home, stage, rows = current_home(), masked_tokens_stage(arm), 0
    for name in batch_names(home):
        rows += make_partition(stage, work_alone(stage, home, name))[1].rows
    print(orjson.dumps({"rows": rows}).decode())


def answer(name: str) -> None:
    """A named query."""
    from srft_assets.home import current_home
    from srft_assets.warehouse.query import run_query

    began = time.perf_counter()
    rows = run_query(current_home(), name).height
    told = {"answer_seconds": round(time.perf_counter() - began, 3), "rows": rows}
    print(orjson.dumps(told).decode())


def measured(argv: Sequence[str], env: Mapping[str, str]) -> dict[str, Any]:
    """Seconds and peak memory of a program, with what a part of this one says of itself.

    Raises CalledProcessError where it fails.
    """
    began = time.perf_counter()
    with tempfile.TemporaryFile() as output:
        child = subprocess.Popen(argv, stdout=output, stderr=subprocess.STDOUT, env=env)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - began
        output.seek(0)
        text = output.read()
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, argv, text.decode(errors="replace"))
    last = text.splitlines()[-1] if argv[0] == sys.executable and text else b"{}"
    return {
        "seconds": round(seconds, 2),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 2),
        "peak_mib": round(usage.ru_maxrss / 1024),
    } | orjson.loads(last)


def stages(runs: int, folder: Path, rounds: int, queries: Sequence[str]) -> dict[str, Any]:
    """All figures. This process stays small: a child's peak begins with its parent's size."""
    from srft_assets.warehouse.sql import sql_files

    env = {**os.environ, "SRFT_HOME": str(folder / "home"), "HF_HUB_OFFLINE": "1"}
    own = [sys.executable, "-m", "benchmarks.scale", "--folder", str(folder), "--part"]
    measured([*own, "generate", "--runs", str(runs)], env)
    measured([*own, "tokenizer"], env)
    steps: dict[str, Sequence[str]] = {
        "ingest": [SRFT, "ingest", str(folder / "source"), "--batch-size", str(BATCH)],
        "verdicts": [SRFT, "apply", "step_verdicts/rules"],
        "integrity": [SRFT, "apply", "integrity"],
        "masks": [*own, "mask"],
        "stats": [SRFT, "stats"],
    }
    told: dict[str, Any] = {name: measured(argv, env) for name, argv in steps.items()}
    names = queries or [file.name for file in sql_files("queries")]
    told["queries"] = {name: measured([*own, name], env) for name in names}
    beside = {
        "plan": [SRFT, "plan"],
        "apply_nothing": [SRFT, "apply", "step_verdicts/rules"],
        "import_dagster": [sys.executable, "-c", "import dagster"],
    }
    taken = [{name: measured(argv, env) for name, argv in beside.items()} for _ in range(rounds)]
    for name in beside:
        seconds = statistics.median(each[name]["seconds"] for each in taken)
        told[name] = {**taken[0][name], "seconds": seconds}
    return told


def main(arguments: Sequence[str]) -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=67_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--query", action="append", default=[], help="these named queries only")
    parser.add_argument("--folder", type=Path, help="where the platform is made, and stays")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    parts = {"tokenizer": train_tokenizer, "mask": mask}
    if given.part == "generate":
        generate(given.folder, given.runs)
    elif given.part in parts:
        parts[given.part](given.folder)
    elif given.part:
        answer(given.part)
    else:
        with tempfile.TemporaryDirectory() as scratch:
            folder = (given.folder or Path(scratch)).resolve()
            folder.mkdir(parents=True, exist_ok=True)
            told = {"runs": given.runs, **stages(given.runs, folder, given.rounds, given.query)}
        print(orjson.dumps(told, option=orjson.OPT_INDENT_2).decode())


if __name__ == "__main__":
    main(sys.argv[1:])
