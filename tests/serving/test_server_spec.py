"""What a spec says becomes a command line and an environment."""

import pytest
from pydantic import ValidationError

from srft_assets.serving import ServerSpec


def test_what_is_not_stated_is_left_to_vllm() -> None:
    assert ServerSpec(model="Qwen/Qwen3-8B").argv(8001) == [
        *("vllm", "serve", "Qwen/Qwen3-8B"),
        *("--host", "127.0.0.1", "--port", "8001", "--enable-prompt-tokens-details"),
    ]


def test_every_setting_has_its_flag() -> None:
    spec = ServerSpec(
        model="/models/judge",
        served_model_name="judge",
        tensor_parallel_size=4,
        max_model_len=65_536,
        enable_prefix_caching=True,
        quantization="awq",
        dtype="bfloat16",
        gpu_memory_utilization=0.85,
        lora_modules={"strict": "/adapters/a", "mild": "/adapters/b"},
        extra_args=("--max-num-seqs", "64"),
    )
    assert " ".join(spec.argv(1)) == (
        "vllm serve /models/judge --host 127.0.0.1 --port 1 "
        "--enable-prompt-tokens-details --served-model-name judge "
        "--tensor-parallel-size 4 --max-model-len 65536 --quantization awq --dtype bfloat16 "
        "--gpu-memory-utilization 0.85 --enable-prefix-caching --enable-lora "
        "--lora-modules strict=/adapters/a mild=/adapters/b --max-num-seqs 64"
    )
    assert spec.names == ("judge", "strict", "mild")


def test_prefix_caching_can_be_switched_off() -> None:
    spec = ServerSpec(model="m", enable_prefix_caching=False)
    assert spec.argv(1)[-1] == "--no-enable-prefix-caching"


def test_the_module_of_another_environment_takes_the_model_as_a_flag() -> None:
    module = ("/other/bin/python", "-m", "vllm.entrypoints.openai.api_server", "--model")
    spec = ServerSpec(model="judge", command=module)
    assert spec.argv(1)[:5] == [*module, "judge"]


def test_the_environment_is_added_to_ours_and_the_key_goes_before_all() -> None:
    spec = ServerSpec(model="m", env={"CUDA_VISIBLE_DEVICES": "1", "VLLM_API_KEY": "stated"})
    made = spec.environment({"HF_HOME": "/cache", "CUDA_VISIBLE_DEVICES": "0"}, "key")
    assert made["HF_HOME"] == "/cache"
    assert made["CUDA_VISIBLE_DEVICES"] == "1"
    assert made["VLLM_API_KEY"] == "key"
    assert made["VLLM_NO_USAGE_STATS"] == "1"


@pytest.mark.parametrize(
    "wrong",
    [
        {"model": ""},
        {"model": "--trust-remote-code"},
        {"model": "m", "served_model_name": "two words"},
        {"model": "m", "tensor_parallel_size": 0},
        {"model": "m", "gpu_memory_utilization": 1.5},
        {"model": "m", "lora_modules": {"-a": "path"}},
        {"model": "m", "command": []},
        {"model": "m", "tensor_paralel_size": 2},
    ],
)
def test_what_cannot_be_meant_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ServerSpec.model_validate(wrong)
