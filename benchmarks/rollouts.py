"""Rollouts by a local model: steps a second, and what keeping keys and values is worth.

python benchmarks/rollouts.py MODEL [--tasks 64] [--turns 30] [--chats 4]

MODEL is a folder with a checkpoint; the generated base model lies in
`$SRFT_HOME/artifacts/base_models/tiny/…` after `srft apply base_models/tiny`.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from random import Random

from srft_assets.child import quiet
from srft_assets.lab.tasks import generate_tasks
from srft_assets.rollouts.checkpoint import Checkpoint, load_checkpoint
from srft_assets.rollouts.generator import Generator, Prompt
from srft_assets.rollouts.job import EvaluationJob
from srft_assets.rollouts.keeping import read_run
from srft_assets.rollouts.playing import play_all
from srft_assets.sandbox import open_sandbox

TASK_SEED = 90_001
ANSWER_TOKENS = 24
OBSERVED_TOKENS = 100


def played(folder: Path, checkpoint: Checkpoint, count: int) -> dict[str, float]:
    """Generated tasks from prompt to grade, as `eval_scores` plays them."""
    with tempfile.TemporaryDirectory(prefix="srft-bench-") as name:
        out = Path(name)
        job = EvaluationJob(
            label="bench",
            checkpoint=folder,
            tasks=out / "tasks.jsonl",
            out=out,
            step_limit=12,
            max_new_tokens=64,
        )
        tasks = generate_tasks(count, TASK_SEED)
        began = time.perf_counter()
        play_all(job, tasks, checkpoint, open_sandbox(), lambda _: None)
        seconds = time.perf_counter() - began
        calls = [
            json.loads(path.read_bytes())["info"]["model_stats"]["api_calls"]
            for path in out.glob("*.traj.json")
        ]
        turns = sum(len(read_run(path).steps) for path in out.glob("*.traj.json"))
    return {
        "runs": count,
        "model_calls": sum(calls),
        "steps": turns,
        "model_calls_per_s": sum(calls) / seconds,
        "steps_per_s": turns / seconds,
    }


def chatted(checkpoint: Checkpoint, turns: int, chats: int) -> dict[str, float]:
    """The same chats, growing turn by turn, with and without reuse, in turns."""
    rng = Random(0)
    size = len(checkpoint.tokenizer.hf)

    def words(count: int) -> list[int]:
        return [rng.randrange(3, size) for _ in range(count)]

    grown = {f"chat {number}": words(200) for number in range(chats)}
    with_reuse = Generator(checkpoint, ANSWER_TOKENS, reuse=True)
    without = Generator(checkpoint, ANSWER_TOKENS)
    spent = {"with": 0.0, "without": 0.0}
    differ = 0
    for _ in range(turns):
        prompts = [Prompt(name, list(ids)) for name, ids in grown.items()]
        answers = {}
        for how, generator in (("with", with_reuse), ("without", without)):
            began = time.perf_counter()
            answers[how] = generator.answer(prompts)
            spent[how] += time.perf_counter() - began
        pairs = zip(answers["with"], answers["without"], strict=True)
        differ += sum(one.token_ids != other.token_ids for one, other in pairs)
        for prompt, answer in zip(prompts, answers["without"], strict=True):
            grown[prompt.name] += [*answer.token_ids, *words(OBSERVED_TOKENS)]
    return {
        "turns": turns,
        "chats_side_by_side": chats,
        "tokens_of_a_chat": max(map(len, grown.values())),
        "answers_that_differ": differ,
        "seconds_with_reuse": spent["with"],
        "seconds_without": spent["without"],
        "ratio": spent["without"] / spent["with"],
    }


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--tasks", type=int, default=64, help="0 leaves that part out")
    parser.add_argument("--turns", type=int, default=30)
    parser.add_argument("--chats", type=int, default=4)
    stated = parser.parse_args()
    quiet(HF_HUB_OFFLINE="1")
    checkpoint = load_checkpoint(stated.model)
    figures: dict[str, object] = {"cores": len(os.sched_getaffinity(0))}
    if stated.tasks:
        figures["generated_tasks"] = played(stated.model, checkpoint, stated.tasks)
    figures["reuse"] = chatted(checkpoint, stated.turns, stated.chats)
    print(json.dumps(figures, indent=2, default=str))


if __name__ == "__main__":
    main()
