"""Rollouts by a local model: steps a second, and what keeping keys and values is worth.

python benchmarks/rollouts.py [MODEL] [--tasks 64] [--step-limit 12] [--chats 4] [--turns 20]

MODEL is a folder with a checkpoint; by default it is the shipped base model. The answers of the
plays are generated again from the same prompts, in the same batches: by our generator, which keeps
what it has read, and by `generate` of transformers, which reads each prompt whole. The same is
measured with a few chats that grow long.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random
from unittest.mock import patch

import torch

from srft_assets import lab
from srft_assets.lab.tasks import generate_tasks
from srft_assets.processes.child import quiet
from srft_assets.rollouts.checkpoint import Checkpoint, load_checkpoint
from srft_assets.rollouts.evaluation import EvaluationJob, evaluate, read_run
from srft_assets.rollouts.generator import Answer, Generator, Prompt
from srft_assets.sandbox import open_sandbox

BASE_MODEL = Path(lab.__file__).with_name("base_weights")
TASK_SEED = 90_001
ANSWER_TOKENS = 64
OBSERVED_TOKENS = 100

Batches = list[list[Prompt]]


def played(
    folder: Path, checkpoint: Checkpoint, tasks: int, step_limit: int
) -> tuple[dict[str, float], Batches]:
    """Generated tasks from prompt to grade, as `eval_scores` plays them; and what was asked."""
    batches: Batches = []
    answer = Generator.answer

    def listening(self: Generator, prompts: Sequence[Prompt]) -> list[Answer]:
        batches.append(list(prompts))
        return answer(self, prompts)

    with tempfile.TemporaryDirectory(prefix="srft-bench-") as name:
        out = Path(name)
        job = EvaluationJob(
            label="bench",
            checkpoint=folder,
            tasks=out / "tasks.jsonl",
            out=out,
            step_limit=step_limit,
            max_new_tokens=ANSWER_TOKENS,
        )
        made = generate_tasks(tasks, TASK_SEED)
        with patch.object(Generator, "answer", listening):
            began = time.perf_counter()
            evaluate(job, made, checkpoint, open_sandbox(), lambda _: None)
            seconds = time.perf_counter() - began
        steps = sum(len(read_run(path).steps) for path in out.glob("*.traj.json"))
    calls = sum(map(len, batches))
    figures = {
        "runs": tasks,
        "model_calls": calls,
        "steps": steps,
        "seconds": seconds,
        "model_calls_per_s": calls / seconds,
        "steps_per_s": steps / seconds,
    }
    return figures, batches


def grown(checkpoint: Checkpoint, chats: int, turns: int) -> Batches:
    """Prompts of chats that grow by the model's answers and by words of nobody's."""
    rng = Random(0)
    size = len(checkpoint.tokenizer.hf)
    ids = {
        f"chat {number}": [rng.randrange(3, size) for _ in range(200)] for number in range(chats)
    }
    generator = Generator(checkpoint, ANSWER_TOKENS)
    batches: Batches = []
    for _ in range(turns):
        batches.append([Prompt(name, list(chat)) for name, chat in ids.items()])
        for chat, answer in zip(ids.values(), generator.answer(batches[-1]), strict=True):
            chat += [*answer.token_ids, *(rng.randrange(3, size) for _ in range(OBSERVED_TOKENS))]
    return batches


def plain(checkpoint: Checkpoint, prompts: Sequence[Prompt]) -> list[list[int]]:
    """Answers by `generate` of transformers, padded on the left; without their stop tokens."""
    width = max(len(prompt.token_ids) for prompt in prompts)
    pad = checkpoint.stops[0]
    rows = [[pad] * (width - len(p.token_ids)) + list(p.token_ids) for p in prompts]
    mask = [[int(place >= width - len(p.token_ids)) for place in range(width)] for p in prompts]
    device = checkpoint.model.device
    with torch.inference_mode():
        out = checkpoint.model.generate(
            input_ids=torch.tensor(rows, device=device),
            attention_mask=torch.tensor(mask, device=device),
            max_new_tokens=ANSWER_TOKENS,
            do_sample=False,
            eos_token_id=list(checkpoint.stops),
            pad_token_id=pad,
        )
    answers = []
    for row in out[:, width:].tolist():
        end = next((at for at, token in enumerate(row) if token in checkpoint.stops), len(row))
        answers.append(row[:end])
    return answers


def generated(checkpoint: Checkpoint, batches: Batches) -> dict[str, float]:
    """The same answers both ways, batch by batch in turns; tokens a second of each."""
    generator = Generator(checkpoint, ANSWER_TOKENS)
    spent = {"kept": 0.0, "plain": 0.0}
    tokens = differ = 0
    for prompts in batches:
        began = time.perf_counter()
        kept = [list(answer.token_ids) for answer in generator.answer(prompts)]
        middle = time.perf_counter()
        whole = plain(checkpoint, prompts)
        spent["kept"] += middle - began
        spent["plain"] += time.perf_counter() - middle
        tokens += sum(map(len, kept))
        differ += sum(one != other for one, other in zip(kept, whole, strict=True))
    return {
        "tokens": tokens,
        "longest_prompt": max(len(prompt.token_ids) for batch in batches for prompt in batch),
        "answers_that_differ": differ,
        "tokens_per_s": tokens / spent["kept"],
        "tokens_per_s_of_transformers": tokens / spent["plain"],
        "ratio": spent["plain"] / spent["kept"],
    }


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, nargs="?", default=BASE_MODEL)
    parser.add_argument("--tasks", type=int, default=64)
    parser.add_argument("--step-limit", type=int, default=12)
    parser.add_argument("--chats", type=int, default=4)
    parser.add_argument("--turns", type=int, default=20)
    stated = parser.parse_args()
    quiet(HF_HUB_OFFLINE="1")
    checkpoint = load_checkpoint(stated.model)
    figures, batches = played(stated.model, checkpoint, stated.tasks, stated.step_limit)
    told = {
        "cores": len(os.sched_getaffinity(0)),
        "generated_tasks": figures,
        "generation": generated(checkpoint, batches),
        "long_chats": generated(checkpoint, grown(checkpoint, stated.chats, stated.turns)),
    }
    print(json.dumps(told, indent=2))


if __name__ == "__main__":
    main()
