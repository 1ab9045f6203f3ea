"""A real vLLM serves a real model of 135 M parameters: its judgement is worthless, its wire is not.

Set up by `make test-vllm`.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import orjson
import psutil
import pytest

from srft_assets.components.platform import CriticServer
from srft_assets.critic.answer import parse
from srft_assets.critic.calls import Reply, Request
from srft_assets.critic.client import Client
from srft_assets.critic.prompt.requests import requests_for
from srft_assets.critic.prompt.run_view import Seen
from srft_assets.critic.prompt.template import load_prompt
from srft_assets.critic.spec import Context, LlmSpec, Sampling
from srft_assets.critic.verdict import Label
from srft_assets.home import CHECKOUT
from srft_assets.serving import ServerSpec
from srft_assets.serving.server import Served
from srft_assets.trajectories.formats import read_record
from srft_assets.trajectories.model import Trajectory

VENV = CHECKOUT / ".venv-vllm"
MODEL = VENV / "smollm2"
SHORT = ("django__django-11163", "django__django-13410", "pylint-dev__pylint-6903")
"""Runs of 13, 14 and 16 steps."""
CRITIC = CHECKOUT / "srft_assets" / "defs" / "critics" / "default" / "prompt.md"
GRAMMAR = '{"backend": "xgrammar", "disable_any_whitespace": true}'
"""Where blanks are allowed between JSON tokens, a weak model fills its answer with them."""

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        not (VENV / ".ready").exists(), reason="vLLM is not set up here: make test-vllm"
    ),
]


def server_spec(**fields: object) -> ServerSpec:
    """As DESIGN says vLLM runs on a CPU: `vllm serve` looks for a package of the name `vllm`."""
    python = str(VENV / "bin" / "python")
    return ServerSpec.model_validate(
        {
            "model": str(MODEL),
            "served_model_name": "smollm2",
            "max_model_len": 8192,
            "enable_prefix_caching": True,
            "command": (python, "-m", "vllm.entrypoints.openai.api_server", "--model"),
            "extra_args": ("--enforce-eager", "--structured-outputs-config", GRAMMAR),
            "env": {"VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1"},
            **fields,
        }
    )


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA adapter as peft saves it, with random weights."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    folder = tmp_path_factory.mktemp("adapter")
    torch.manual_seed(0)
    config = LoraConfig(r=8, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    base = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32)
    get_peft_model(base, config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def served(adapter: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The server of the resource `critic_server`, once for all tests."""
    home = tmp_path_factory.mktemp("home")
    spec = server_spec(lora_modules={"odd": str(adapter)})
    server = CriticServer(**spec.model_dump(exclude_none=True))
    began = time.monotonic()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SRFT_HOME", str(home))
        with server.open() as one:
            print(f"the server starts in {time.monotonic() - began:.0f} s")
            yield one
    assert not psutil.pid_exists(one.process_id or 0)


@pytest.fixture(scope="module")
def runs(shared: Path) -> list[Trajectory]:
    """Three real runs that are short."""
    folder = shared / "trajectories" / "mini-swe-agent-v1" / "trajs"
    paths = [folder / f"{name}.traj.json" for name in SHORT]
    return [read_record(orjson.loads(path.read_bytes()), source=path.name, row=0) for path in paths]


def critic(model: str) -> LlmSpec:
    """The shipped critic in 8,192 tokens, counted by the model's own tokenizer."""
    return LlmSpec(
        kind="llm",
        model=model,
        reasons=False,
        context=Context(tokens=8192, observation_tokens=60, task_tokens=300, tokenizer=str(MODEL)),
        sampling=Sampling(max_tokens_per_step=16),
    )


def ask(served: Served, spec: LlmSpec, requests: list[Request]) -> list[Reply]:
    """The replies, through the client that the stage uses."""

    async def go() -> list[Reply]:
        client = Client(spec.endpoint, served.base_url, api_key=served.api_key)
        async with client:
            return [await client.ask(request) for request in requests]

    return asyncio.run(go())


def requests_of(spec: LlmSpec, runs: list[Trajectory]) -> list[Request]:
    """One request a run."""
    prompt = load_prompt(CRITIC, spec)
    return [
        request
        for run in runs
        for request in requests_for(spec, prompt, run, Seen(outcome="unresolved")).requests
    ]


def test_every_step_of_three_real_runs_gets_a_verdict(
    served: Served, runs: list[Trajectory]
) -> None:
    spec = critic("smollm2")
    requests = requests_of(spec, runs)
    replies = ask(served, spec, requests)
    for run, request, reply in zip(runs, requests, replies, strict=True):
        print(
            f"{run.instance_id}: {len(run.steps)} steps, {reply.prompt_tokens} tokens of prompt, "
            f"{reply.cached_tokens} cached, {reply.completion_tokens} of answer, "
            f"{reply.seconds:.1f} s"
        )
        verdicts = parse(reply, request, spec)
        assert isinstance(verdicts, list), verdicts
        assert [verdict.step_index for verdict in verdicts] == list(range(len(run.steps)))
        assert {verdict.label for verdict in verdicts} <= set(Label) - {Label.UNLABELED}
        assert reply.finish_reason == "stop"
        assert reply.retries == 0
    # The instructions are the same for all: computed once, then taken from the cache.
    assert all(reply.cached_tokens > 0 for reply in replies[1:])


def test_an_adapter_answers_under_its_own_name(served: Served, runs: list[Trajectory]) -> None:
    assert served.models == ("smollm2", "odd")
    spec = critic("odd")
    request = requests_of(spec, runs[:1])[0]
    reply = ask(served, spec, [request])[0]
    assert reply.model == "odd"
    assert isinstance(parse(reply, request, spec), list)


PARENT = """
import sys, time
from pathlib import Path
from srft_assets.serving.server import serve
from srft_assets.serving import ServerSpec

with serve(ServerSpec.model_validate_json(sys.argv[1]), Path(sys.argv[2])):
    time.sleep(600)
"""
PROCESSES = 5
"""The guard, the API server, multiprocessing's tracker, the engine and its worker."""


def test_no_process_of_vllm_outlives_a_killed_parent(tmp_path: Path) -> None:
    stated = server_spec().model_dump_json()
    log = tmp_path / "log"
    parent = psutil.Popen(
        [sys.executable, "-c", PARENT, stated, str(log)], stdin=subprocess.DEVNULL
    )
    tree: list[psutil.Process] = []
    deadline = time.monotonic() + 300
    while len(tree) < PROCESSES and time.monotonic() < deadline:
        assert parent.poll() is None, log.read_text()
        time.sleep(0.2)
        tree = parent.children(recursive=True)
    parent.kill()
    parent.wait()
    gone, alive = psutil.wait_procs(tree, timeout=15)
    assert not alive
    assert len(gone) >= PROCESSES
