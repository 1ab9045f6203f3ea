"""The graph on a real model: it judges runs as a critic, and plays an instance as an arm's base.

`make test-qwen` fetches Qwen2.5-Coder-1.5B-Instruct; without it these tests skip. What was made is
kept in the model's folder: started again, nothing that was answered or played is asked anew.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from srft_assets.critic.verdict import Label
from srft_assets.experiment import REGIME
from srft_assets.home import Home
from srft_assets.serving import ServerSpec
from srft_assets.serving.server import serve
from srft_assets.trajectories.batches import LAB, write_batch
from srft_assets.warehouse.partitions import Warehouse
from tests.qwen.fetch import FOLDER, MODEL, PLATFORM, SERVER, WEIGHTS
from tests.rollouts.test_platform import srft

pytestmark = [
    pytest.mark.qwen,
    pytest.mark.timeout(4 * 3600),
    pytest.mark.skipif(
        not (FOLDER / MODEL).is_dir(), reason="Qwen2.5-Coder-1.5B is not here: make test-qwen"
    ),
]

HOME = Home(FOLDER / PLATFORM)
NAME = "qwen2.5-coder-1.5b"
CONTEXT = 16_384
RUN, TASK = "django__django-16667", "pallets__flask-5014"
"""A failed run of mini-swe-agent with 19 steps; an instance whose environment is soon made."""
LAB_RUNS = 6
"""Of which five failed."""
PATIENCE = {"timeout": 3600}
KEY = "OPENAI_API_KEY"
PROGRAM = Path(__file__).with_name("llama_server.py")


def critic() -> dict[str, Any]:
    """The shipped prompt, in a context that two cores read in minutes."""
    return {
        "kind": "llm",
        "model": NAME,
        "context": {
            "tokens": 12_288,
            "observation_tokens": 150,
            "task_tokens": 400,
            "tokenizer": str(FOLDER / MODEL),
        },
        "endpoint": {"concurrency": 1, **PATIENCE},
    }


def arm(rows: Path, base_url: str) -> dict[str, Any]:
    """The base model as it is: one step that moves no weight."""
    return {
        "model": str(FOLDER / MODEL),
        "critic": "qwen",
        "too_long": "windows",
        "training": {
            "batches": ["lab"],
            "method": "lora",
            "learning_rate": 0,
            "max_steps": 1,
            "batch_size": 1,
            "max_length": 512,
        },
        "evaluation": {
            "tasks": str(rows),
            "instances": [TASK],
            "environment": "sdist",
            "step_limit": 8,
            "max_new_tokens": 400,
            "temperature": 0,
            "agent": {"context": CONTEXT, "workers": 1},
            "serve": {"base_url": base_url, "name": NAME, "api_key_env": KEY, **PATIENCE},
        },
    }


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    """Of llama.cpp's server with the weights."""
    spec = ServerSpec(
        model=str(FOLDER / WEIGHTS),
        served_model_name=NAME,
        max_model_len=CONTEXT,
        command=(str(FOLDER / SERVER / "bin" / "python"), str(PROGRAM)),
    )
    with pytest.MonkeyPatch.context() as patch:
        # Threads that wait without turning: beside other work an answer is ten times as fast.
        patch.setenv("OMP_WAIT_POLICY", "passive")
        with serve(spec, FOLDER / "server.log", print) as served:
            patch.setenv(KEY, served.api_key or "")
            yield served.base_url


def told(*words: str) -> str:
    """Run `srft …` on the kept platform; what it printed. Fails the test where it fails."""
    done = srft(HOME, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def project(base_url: str) -> Iterator[Path]:
    """The folder of a project that the server answers."""
    folder = FOLDER / "project"
    if not folder.is_dir():
        told("init", str(folder))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SRFT_PROJECT", str(folder))
        patch.setenv("SRFT_CRITIC_URL", base_url)
        yield folder


@pytest.fixture(scope="module")
def made(sandbox, shared: Path, project: Path, base_url: str) -> Warehouse:
    """Six runs of the lab's teacher, a real one, and all of the arm to its score."""
    if not (project / "critics" / "qwen").is_dir():
        told("critic", "new", "qwen", "--from", "default")
    rows = shared / "tasks" / "swe-bench" / "swe_bench_verified.parquet"
    for kind, name, stated in (("critic", "qwen", critic()), ("arm", "base", arm(rows, base_url))):
        content = {"type": f"srft_assets.components.{kind}.{kind.title()}", "attributes": stated}
        folder = project / f"{kind}s" / name
        folder.mkdir(exist_ok=True)
        (folder / "defs.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    source, runs = shared / "trajectories" / "mini-swe-agent-v1", FOLDER / "runs"
    for part in (f"trajs/{RUN}.traj.json", f"logs/{RUN}/report.json"):
        (runs / part).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source / part, runs / part)
    told("ingest", str(runs), "--batch", "real")
    write_batch(HOME, "lab", LAB, REGIME.batch_settings(LAB_RUNS))
    print(f"an hour's work begins; {HOME.root / 'logs'} tells how it goes")
    print(told("apply", "--arm", "base", "--critic", "qwen"))
    return Warehouse(HOME.warehouse)


def test_every_step_of_six_failed_runs_has_a_verdict(made: Warehouse):
    for batch, failed in (("lab", 5), ("real", 1)):
        verdicts = made.read("step_verdicts/qwen", batch)
        assert verdicts["trajectory_id"].n_unique() == failed
        counts = dict(verdicts["label"].value_counts(sort=True).iter_rows())
        print(batch, counts)
        assert set(counts) <= set(Label) - {Label.UNLABELED}


def test_it_is_held_against_the_labels_of_the_teacher(made: Warehouse):
    print(told("sql", "critics_against_gold"))
    rows = json.loads(told("sql", "critics_against_gold", "--format", "json"))
    [row] = [row for row in rows if row["critic"] == "qwen" and row["masked"] == "mistake"]
    assert (row["gold_set"], row["runs"], row["unlabeled"]) == ("lab", 5, 0)


def test_the_base_is_scored_on_a_real_instance(made: Warehouse):
    print(
        told("sql", "SELECT instance_id, status, resolved, n_steps, exit_status FROM eval_scores")
    )
    [row] = made.read("eval_scores/base", "0").to_dicts()
    assert row["instance_id"] == TASK
    assert row["resolved"] is not None, row["reason"]
    assert row["grader"] == "srft-sdist"


def test_made_again_nothing_is_asked(made: Warehouse):
    assert "Nothing to make" in told("apply", "--arm", "base", "--critic", "qwen")
