"""Sizes of base models, compared with what transformers and peft make of the same configuration."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from math import prod
from pathlib import Path
from threading import Thread

import pytest

from srft_assets.base_model import BaseFacts, base_facts
from srft_assets.base_shapes import FAMILIES
from srft_assets.errors import SrftError
from srft_assets.lab.base import SHIPPED, shipped_facts

SMALL = {
    "vocab_size": 50,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "pad_token_id": None,
}
OTHERS = [
    ("llama", {"attention_bias": True, "mlp_bias": True, "head_dim": 6}),
    ("llama", {"num_key_value_heads": 4, "tie_word_embeddings": True}),
    ("qwen3", {"attention_bias": True}),
    ("qwen3_moe", {"mlp_only_layers": [0], "decoder_sparse_step": 2, "num_experts": 6}),
    ("gemma3_text", {"tie_word_embeddings": False}),
]
PUBLISHED = {
    "0.5B": 494_032_768,
    "1.5B": 1_543_714_304,
    "3B": 3_085_938_688,
    "7B": 7_615_616_512,
    "14B": 14_770_033_664,
    "32B": 32_763_876_352,
}
"""Parameters in the weight files of Qwen2.5, as the Hub counts them."""


def meta_model(config):
    """A model of a transformers config, without memory for its weights."""
    import torch
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(config)


def config_of(kind: str, folder: Path, **more: object):
    from transformers import AutoConfig

    config = AutoConfig.for_model(kind, **{**SMALL, **more})
    config.save_pretrained(folder)
    return config


@pytest.mark.parametrize(("kind", "more"), [*((kind, {}) for kind in sorted(FAMILIES)), *OTHERS])
def test_the_tensors_of_a_configuration_are_those_of_transformers(kind, more, tmp_path):
    model = meta_model(config_of(kind, tmp_path, **more))
    facts = base_facts(str(tmp_path))
    assert facts.shapes == {name: tuple(one.shape) for name, one in model.named_parameters()}
    assert (facts.parameters, facts.counted) == (model.num_parameters(), "config")


@pytest.mark.parametrize(
    "kind", ["qwen2", "gemma3_text", "qwen3_moe", "qwen2_moe", "mixtral", "gpt_oss"]
)
def test_adapters_are_counted_as_peft_makes_them(kind, tmp_path):
    from peft import LoraConfig, get_peft_model

    model = meta_model(config_of(kind, tmp_path))
    adapted = get_peft_model(
        model, LoraConfig(r=3, target_modules="all-linear", task_type="CAUSAL_LM")
    )
    trained = sum(one.numel() for one in adapted.parameters() if one.requires_grad)
    assert base_facts(str(tmp_path)).adapter_parameters(3) == trained


def test_of_routed_experts_only_those_that_a_token_meets_are_active(tmp_path):
    config_of("qwen3_moe", tmp_path / "all", num_experts=8, num_experts_per_tok=8)
    config_of("qwen3_moe", tmp_path / "two", num_experts=8, num_experts_per_tok=2)
    whole, two = base_facts(str(tmp_path / "all")), base_facts(str(tmp_path / "two"))
    one_expert = 3 * 16 * 768 * 3
    assert whole.active == whole.parameters == two.parameters
    assert two.active == whole.active - 6 * one_expert
    assert (two.mlp_width, whole.mlp_width) == (2 * 768, 8 * 768)


def test_qwen3_30b_a3b_has_30_5_billion_parameters_of_which_3_3_are_active(tmp_path):
    stated = {
        **{"model_type": "qwen3_moe", "dtype": "bfloat16", "hidden_size": 2048, "head_dim": 128},
        **{"num_hidden_layers": 48, "num_attention_heads": 32, "num_key_value_heads": 4},
        **{"moe_intermediate_size": 768, "num_experts": 128, "num_experts_per_tok": 8},
        **{"vocab_size": 151936, "intermediate_size": 6144, "tie_word_embeddings": False},
    }
    (tmp_path / "config.json").write_text(json.dumps(stated))
    facts = base_facts(str(tmp_path))
    assert facts.parameters == 30_532_122_624
    assert facts.active == 3_353_032_704
    assert facts.weight_bytes == 2 * facts.parameters


@pytest.mark.parametrize("size", PUBLISHED)
def test_models_that_recipes_name_are_known_without_a_network(size):
    facts = base_facts(f"Qwen/Qwen2.5-Coder-{size}-Instruct")
    assert facts.parameters == facts.active == PUBLISHED[size]
    assert (facts.kind, facts.dtype, facts.context) == ("qwen2", "bfloat16", 32768)


def test_weights_are_counted_from_the_heads_of_their_files():
    facts = base_facts(str(SHIPPED))
    assert facts.counted == "weights"
    assert facts.parameters == shipped_facts()["parameters"] == shaped(facts)
    assert (facts.layers, facts.hidden, facts.heads, facts.head_width) == (3, 96, 2, 64)
    assert (facts.vocabulary, facts.dtype) == (1024, "float32")
    assert facts.weight_bytes == 4 * facts.parameters


def test_weights_in_several_files_are_those_that_their_index_names(tmp_path):
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(SHIPPED, dtype="bfloat16")
    model.save_pretrained(tmp_path, max_shard_size="200KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 2
    facts, whole = base_facts(str(tmp_path)), base_facts(str(SHIPPED))
    assert (facts.parameters, facts.dtype) == (whole.parameters, "bfloat16")
    assert facts.weight_bytes * 2 == whole.weight_bytes
    next(tmp_path.glob("*-00002-*")).unlink()
    assert base_facts(str(tmp_path)).counted == "config"


def shaped(facts: BaseFacts) -> int:
    return sum(prod(shape) for shape in facts.shapes.values())


@contextmanager
def hub_with(name: str, folder: Path, commit: str = "0" * 40) -> Iterator[str]:
    """A server that gives the model's files as the Hub does, and parts of them."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            _, _, asked = path.removeprefix(f"/{name}/resolve/").partition("/")
            file = folder / asked.replace("/", "_")
            if path == f"/api/models/{name}":
                self.answer(200, json.dumps({"id": name, "sha": commit}).encode())
            elif file.is_file():
                data = file.read_bytes()
                first, _, last = (
                    self.headers.get("range", "bytes=0-").removeprefix("bytes=").partition("-")
                )
                self.answer(200, data[int(first) : int(last or len(data)) + 1])
            else:
                self.answer(404, b"", {"X-Error-Code": "EntryNotFound"})

        def answer(self, status: int, data: bytes, more: dict[str, str] | None = None) -> None:
            self.send_response(status)
            headers = {"ETag": f'"{commit}"', "X-Repo-Commit": commit}
            headers["Content-Length"] = str(len(data))
            for key, value in {**headers, **(more or {})}.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def asked(url: str, cache: Path, times: int = 1, ask_hub: bool = True) -> list[list[str]]:
    """What a process is told of a model `me/tiny` of this Hub, time after time."""
    program = (
        "import sys; from srft_assets.base_model import base_facts\n"
        f"for _ in range({times}):\n"
        f"    f = base_facts('me/tiny', ask_hub={ask_hub})\n"
        "    print(f.parameters, f.counted, 'torch' in sys.modules)"
    )
    hub = {"HF_ENDPOINT": url, "HF_HOME": str(cache), "HF_HUB_OFFLINE": "0"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **hub},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [line.split() for line in done.stdout.splitlines()]


TINY = str(shipped_facts()["parameters"])


def test_of_a_model_on_the_hub_only_the_heads_are_fetched_and_torch_is_not_imported(tmp_path):
    with hub_with("me/tiny", SHIPPED) as url:
        assert asked(url, tmp_path, times=2) == [[TINY, "weights", "False"]] * 2
    assert not list(tmp_path.rglob("*.safetensors"))


def test_the_hub_s_newest_commit_counts_and_the_older_copy_here_stays_whole(tmp_path):
    older, newer = "0" * 40, "1" * 40
    kept = tmp_path / "hub" / "models--me--tiny"
    shutil.copytree(SHIPPED, kept / "snapshots" / older)
    (kept / "refs").mkdir()
    (kept / "refs" / "main").write_text(older)
    config_of("llama", tmp_path / "new")
    size = str(base_facts(str(tmp_path / "new")).parameters)
    with hub_with("me/tiny", tmp_path / "new", newer) as url:
        assert asked(url, tmp_path) == [[size, "config", "False"]]
        assert asked(url, tmp_path, ask_hub=False) == [[TINY, "weights", "False"]]
    assert asked("http://127.0.0.1:9", tmp_path) == [[TINY, "weights", "False"]]
    with hub_with("me/tiny", tmp_path / "nothing", older) as url:
        assert asked(url, tmp_path) == [[TINY, "weights", "False"]]


def head(stated: object) -> str:
    """A safetensors file that is its head alone."""
    text = json.dumps(stated)
    return len(text).to_bytes(8, "little").decode() + text


def tensor(shape: object, offsets: object = (0, 4)) -> dict[str, object]:
    return {"a": {"dtype": "F32", "shape": shape, "data_offsets": offsets}}


HEADS = [head([]), head({"a": 1}), head(tensor(["x", 2**60])), head(tensor([1], [0, 1, 2]))]
ODD = [
    {"text_config": "none"},
    {"num_hidden_layers": 10**12},
    {"num_attention_heads": 0},
    {"hidden_size": -16},
    {"intermediate_size": 1e300},
    {"vocab_size": "16"},
    {"vocab_size": [16], "hidden_size": 2**59},
    {"rope_scaling": [1]},
    {"max_position_embeddings": "many"},
]


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({}, "holds no config.json"),
        ({"config.json": "{"}, "config.json is not JSON"),
        ({"config.json": "[]"}, "is no mapping"),
        ({"config.json": '{"model_type": "llama"}'}, "lacks 'num_attention_heads'"),
        ({"config.json": json.dumps({**SMALL, "model_type": "odd"})}, "odd is counted only from"),
        (
            {"config.json": json.dumps({**SMALL, "model_type": "llama", "vocab_size": "many"})},
            "config.json of .* is not sound",
        ),
        ({"config.json": "{}", "model.safetensors": "torn"}, "model.safetensors is damaged"),
        ({"config.json": "{}", "model.safetensors.index.json": "{}"}, "names no weight files"),
        (
            {"config.json": "{}", "model.safetensors.index.json": '{"weight_map": {"a": [1]}}'},
            "names no weight files",
        ),
        (
            {"config.json": "{}", "model.safetensors.index.json": '{"weight_map": {"a": "../b"}}'},
            "names no weight files",
        ),
        *(({"config.json": "{}", "model.safetensors": head}, "damaged") for head in HEADS),
        *(
            ({"config.json": json.dumps({**SMALL, "model_type": "llama", **odd})}, "is not sound")
            for odd in ODD
        ),
    ],
)
def test_what_is_no_sound_model_is_told_in_one_line(files, told, tmp_path):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(SrftError, match=told) as error:
        base_facts(str(tmp_path))
    assert "\n" not in str(error.value)


def test_a_model_that_nobody_has_is_told_in_one_line():
    with pytest.raises(SrftError, match="no base model me/nowhere: no such folder, and"):
        base_facts("me/nowhere")
