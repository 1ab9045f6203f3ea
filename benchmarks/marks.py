"""Masking against what follows the generation marks of a template: transformers, and TRL."""

from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import orjson

from benchmarks.recorded import job_of
from benchmarks.rounds import alternate, ratio
from srft_assets.tokens.mask import mask_runs
from srft_assets.tokens.template import NATIVE, WRITTEN_OUT, for_template
from srft_assets.tokens.token_labels import MaskedRow, RunRefusedError
from srft_assets.tokens.tokenizer import ChatTokenizer
from srft_assets.trajectories.model import Trajectory


def against_marks(
    runs: list[Trajectory], tokenizer: ChatTokenizer, template: str, rounds: int
) -> dict[str, Any]:
    """Masking against what follows a template's generation marks, all on that template."""
    tokenizer.hf.chat_template = template
    taken = [run for run in runs if not isinstance(_masked(run, tokenizer), RunRefusedError)]
    jobs = [job_of(run) for run in taken]
    form = NATIVE[1] if "tool_calls" in tokenizer.template(None) else WRITTEN_OUT
    rows = [
        {
            "messages": for_template(run.messages, form),
            "tools": None if run.tools is None else orjson.dumps(run.tools).decode(),
        }
        for run in taken
    ]

    def chat_template() -> object:
        return [
            tokenizer.hf.apply_chat_template(
                row["messages"],
                tools=orjson.loads(row["tools"]) if row["tools"] else None,
                return_dict=True,
                return_assistant_tokens_mask=True,
            )
            for row in rows
        ]

    def ours() -> object:
        return list(mask_runs(jobs, tokenizer))

    marks, trl, own = alternate(rounds, chat_template, lambda: _trl(rows, tokenizer), ours)
    return {
        "runs_with_marks": len(taken),
        "over_apply_chat_template": ratio(marks, own),
        "over_apply_chat_template_cpu": ratio(marks, own, which=1),
        "over_trl": ratio(trl, own),
    }


def _masked(run: Trajectory, tokenizer: ChatTokenizer) -> MaskedRow | RunRefusedError:
    (row,) = mask_runs([job_of(run)], tokenizer)
    return row


def _trl(rows: list[dict[str, Any]], tokenizer: ChatTokenizer) -> object:
    """`SFTTrainer._prepare_dataset`, for which no model is loaded."""
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    with TemporaryDirectory() as scratch:
        config = SFTConfig(
            output_dir=scratch,
            assistant_only_loss=True,
            max_length=None,
            dataset_num_proc=2,
            use_cpu=True,
            bf16=False,
            report_to=[],
        )
        trainer: Any = SimpleNamespace(
            chat_template=None, completion_only_loss=False, _tokenizer=tokenizer.hf
        )
        return SFTTrainer._prepare_dataset(
            trainer, Dataset.from_list(rows), tokenizer.hf, config, False, None, "train"
        )
