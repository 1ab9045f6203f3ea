"""The memory that `srft doctor --arm` foretells, against what trainings took on this CPU."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from srft_assets.base_model import base_facts
from srft_assets.tokens.arm import TrainingSpec
from srft_assets.training.checkpoint import read_result
from srft_assets.training.memory import (
    GIB,
    Need,
    changes,
    loading,
    need_of,
    setup_of,
    space_of,
)
from tests.training.conftest import MakeJob, Row

FACTOR = 1.3
"""By which the estimate may be off, either way; docs/machine.md states it."""
SEVEN = "Qwen/Qwen2.5-Coder-7B-Instruct"


@pytest.fixture(scope="module")
def wide_base(base_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model large enough that its training outweighs the libraries: 15 million weights."""
    import shutil

    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("wide")
    for path in base_model.glob("tokenizer*"):
        shutil.copy(path, folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=16_384,
        hidden_size=256,
        intermediate_size=768,
        num_hidden_layers=8,
        num_attention_heads=4,
        num_key_value_heads=2,
        eos_token_id=1,
        pad_token_id=0,
        bos_token_id=None,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def rows_of(tokens: int, trained: int) -> list[Row]:
    ids = [2 + number % 50 for number in range(tokens)]
    return [(ids, [(1, trained, True), (trained, tokens, False)])]


@pytest.mark.parametrize(
    ("method", "options", "trained"),
    [
        ("full", {}, 1500),
        ("lora", {"gradient_checkpointing": True}, 100),
    ],
)
def test_the_estimate_is_near_what_a_training_takes(
    job: MakeJob, wide_base: Path, method: str, options: dict[str, object], trained: int
) -> None:
    stated = TrainingSpec(method=method, options=options)
    made = job(
        rows_of(2048, trained),
        base_model=str(wide_base),
        method=method,
        options=options,
        batch_size=1,
        max_steps=2,  # the second step has activations beside the optimizer
    )
    path = made.output.parent / "job.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(made.model_dump_json())
    of_the_caller = bytearray(b"x") * (3 * GIB)  # which is no memory of the training
    subprocess.run(
        [sys.executable, "-m", "srft_assets.training.main", str(path)],
        env={**os.environ, "OMP_NUM_THREADS": "2"},
        check=True,
        capture_output=True,
    )
    del of_the_caller
    result = read_result(made.output)
    assert result is not None
    setup = setup_of(stated, 1, gpu=False, longest=2048, share=trained / 2048)
    ratio = need_of(base_facts(str(wide_base)), setup).total / (result.peak_memory_mb * 2**20)
    assert 1 / FACTOR < ratio < FACTOR


def need(gpu: bool = True, **training: object) -> Need:
    stated = TrainingSpec.model_validate({"max_length": 8192, **training})
    return need_of(base_facts(SEVEN), setup_of(stated, 8192, gpu, stated.max_length))


def test_adam_takes_sixteen_bytes_of_a_trained_parameter_and_eight_bits_ten() -> None:
    parameters = base_facts(SEVEN).parameters
    full, small = need(gpu=False), need(gpu=False, options={"optim": "adamw_8bit"})
    assert full.weights + full.gradients + full.optimizer == 16 * parameters
    assert small.weights + small.gradients + small.optimizer == 10 * parameters


def test_a_frozen_base_is_half_as_large_on_a_gpu_and_an_eighth_in_four_bits() -> None:
    facts = base_facts(SEVEN)
    adapters = 4 * facts.adapter_parameters(16)
    assert need(method="lora").weights == 2 * facts.parameters + adapters
    assert need(method="lora", gpu=False).weights == 4 * facts.parameters + adapters
    outside = 2 * facts.vocabulary * facts.hidden
    inside = facts.parameters - outside
    assert need(method="qlora").weights - adapters == pytest.approx(inside / 2 + 2 * outside, 0.05)


def test_fsdp_shares_the_state_and_no_activations(tmp_path: Path) -> None:
    (tmp_path / "fsdp.yaml").write_text("distributed_type: FSDP\n")
    launch = {"launcher": "accelerate", "processes": 4, "batch_size": 4}
    file = ["--config_file", str(tmp_path / "fsdp.yaml")]
    alone, ddp = need(), need(**launch)
    shared = need(**launch, launcher_args=file)
    assert shared == need(**launch, options={"fsdp": True}) != ddp
    assert shared.optimizer == alone.optimizer / 4
    assert shared.activations == ddp.activations == alone.activations
    assert ddp.gradients == 2 * alone.gradients


def test_recomputed_activations_are_those_of_one_layer_and_the_input_of_each() -> None:
    facts = base_facts(SEVEN)
    whole, again = need(options={"gradient_checkpointing": False}), need()
    a_layer = again.activations - 8192 * facts.layers * 4 * facts.hidden
    assert whole.activations > facts.layers * a_layer * 0.7
    assert again.activations < whole.activations / 10
    assert need(options={"use_liger_kernel": True}).activations < again.activations


def test_what_lowers_memory_comes_in_its_order_until_it_fits() -> None:
    facts = base_facts(SEVEN)
    stated = TrainingSpec(max_length=8192, options={"gradient_checkpointing": False})
    setup = setup_of(stated, 32_768, gpu=True, longest=8192)
    named = [change.setting.partition(":")[0] for change in changes(facts, setup, 40 * GIB, 1)]
    assert named == [
        "training.options.micro_batch_tokens",
        "training.options.gradient_checkpointing",
        "training.method",
    ]
    last = [change.need.total for change in changes(facts, setup, 40 * GIB, 1)]
    assert last == sorted(last, reverse=True)
    assert last[-1] <= 40 * GIB < last[-2]
    (only,) = changes(facts, setup, last[0], 1)
    assert only.need.total <= last[0]


def test_a_shorter_length_is_the_longest_that_fits() -> None:
    facts = base_facts(SEVEN)
    stated = TrainingSpec(max_length=32_768, method="qlora")
    setup = setup_of(stated, 32_768, gpu=True, longest=32_768)
    *_, last = changes(facts, setup, 20 * GIB, 1)
    tokens = int(last.setting.rpartition(" ")[2])
    assert last.need.total <= 20 * GIB
    longer = replace(setup, tokens=tokens + 512, with_loss=tokens + 512)
    assert need_of(facts, longer).total > 20 * GIB


def test_disk_holds_three_states_and_a_checkpoint_of_the_base_s_type() -> None:
    facts = base_facts(SEVEN)
    space = space_of(facts, setup_of(TrainingSpec(), 4096, gpu=True, longest=4096))
    assert space.checkpoint == 2 * facts.parameters
    assert space.states == 3 * 12 * facts.parameters


def test_without_fsdp_every_process_reads_all_weights() -> None:
    facts = base_facts(SEVEN)
    launch = {"launcher": "torchrun", "processes": 8, "batch_size": 8}
    alone = setup_of(TrainingSpec(**launch), 4096, gpu=True, longest=4096)
    assert loading(facts, alone) == 8 * 4 * facts.parameters
    assert loading(facts, replace(alone, sharded=True)) == 4 * facts.parameters
