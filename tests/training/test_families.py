"""A tiny base of each model family is trained, saved, merged and served, and stops by itself."""

import json
from pathlib import Path

import pytest

from srft_assets.home import Home
from srft_assets.rollouts.checkpoint import load_checkpoint, prompt_ids
from srft_assets.tokens.mask import mask_run
from srft_assets.tokens.tokenizer import load_tokenizer
from srft_assets.training.job import TrainingJob
from srft_assets.training.main import train
from srft_assets.training.model import Trained, write_merged
from tests.families import FAMILIES, TEMPLATES, write_model
from tests.tokens.conftest import all_of, run_of
from tests.training.conftest import Heard, put
from tests.training.test_stage import arm_of

ASKED = [{"role": "user", "content": "q"}]
CHAT = [*ASKED, {"role": "assistant", "content": "cat a.py"}]

pytestmark = pytest.mark.skipif(not TEMPLATES.is_dir(), reason="TRL is not installed")
TRAINED = sorted(FAMILIES)


def job_of(base: Path, home: Home, **settings: object) -> TrainingJob:
    """One short chat, masked for the base, that is learned by heart."""
    import polars as pl

    from srft_assets.tokens.token_labels import MASKED_TOKENS
    from srft_assets.training.rows import parts_of, select_rows
    from srft_assets.warehouse.partitions import data_version

    run = run_of(CHAT)
    row = mask_run(run, all_of(run), load_tokenizer(base))
    frame = pl.DataFrame([row.as_row()], schema=MASKED_TOKENS)
    put(home, "masked_tokens/srft", "lab-1", frame)
    chosen = select_rows(arm_of(max_length=512), [("lab-1", frame)])
    stated = {"max_steps": 40, "learning_rate": 1e-2, "lora_rank": 32, **settings}
    return TrainingJob(
        base_model=str(base),
        warehouse=home.warehouse,
        asset="masked_tokens/srft",
        parts=parts_of(chosen.rows, {"lab-1": data_version(frame)}, "token"),
        order=[0] * int(stated["max_steps"]),  # type: ignore[call-overload]
        output=home.artifacts / "out",
        batch_size=1,
        **stated,
    )


@pytest.mark.parametrize("method", ["full", "lora"])
@pytest.mark.parametrize("name", TRAINED)
def test_a_base_of_each_family_is_trained_merged_served_and_stops(
    name: str, method: str, tmp_path: Path, home: Home
) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from srft_assets.rollouts.generator import Generator, Prompt

    base, merged = tmp_path / "base", tmp_path / "merged"
    write_model(name, base)
    job = job_of(base, home, method=method, max_steps=40 if method == "full" else 120)
    train(job, Heard())
    (job.output / "README.md").touch()
    write_merged(Trained(job.output, name, str(base)), merged)
    end = AutoTokenizer.from_pretrained(base).convert_tokens_to_ids(FAMILIES[name].ends)
    for folder in (job.output, merged):
        stated = json.loads((folder / "generation_config.json").read_bytes())
        assert end in {*(one if isinstance(one := stated["eos_token_id"], list) else [one])}
        assert AutoTokenizer.from_pretrained(folder).eos_token == FAMILIES[name].ends
    assert AutoModelForCausalLM.from_pretrained(merged).dtype == torch.bfloat16
    checkpoint = load_checkpoint(merged)
    asked = prompt_ids(ASKED, checkpoint.tokenizer)
    (answer,) = Generator(checkpoint, max_new_tokens=40).answer([Prompt("one", asked)])
    assert answer.stopped
    assert method == "lora" or answer.text.endswith("cat a.py")
