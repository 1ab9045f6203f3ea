"""LoRA of a real model on real runs, started in the Dagster UI and killed in the middle.

`make test-smollm2` fetches the model; without it these tests skip. With it they take ten minutes.
"""

import json
import os
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from srft_assets.home import Home
from srft_assets.training.checkpoint import TrainingResult, read_result
from srft_assets.training.process import MAIN
from srft_assets.warehouse.partitions import Warehouse
from tests.training.fetch_smollm2 import FOLDER
from tests.ui.browser import Browser
from tests.ui.dev import Project, opened, until

pytestmark = [
    pytest.mark.smollm2,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(
        not (FOLDER / "model.safetensors").is_file(),
        reason="SmolLM2-135M is not here: make test-smollm2",
    ),
]

ARM = """type: srft_assets.components.arm.Arm

attributes:
  model: {}
  critic: rules
  too_long: windows
  overlap: 0
  training:
    batches: [real]
    method: lora
    max_steps: 10
    batch_size: 2
    max_length: 1024
    learning_rate: 1.0e-3
    options: {{save_seconds: 0}}
"""
RUN = "django__django-11206"
"""A failed run of OpenHands with a short prompt. The tokens of two of its steps are masked; of its
windows ten hold something to train, so that five optimizer steps see each of them once."""
ASSET, SEED = "checkpoints/smol", "0"
CORES = str(len(os.sched_getaffinity(0)))
RUN_LOG = """query($run: ID!) { logsForRun(runId: $run) {
  ... on EventConnection { events { ... on MessageEvent { message } } }
} }"""
RUNS_OF = """query { runsOrError(limit: 20) { ... on Runs { results { runId status } } } }"""


@pytest.fixture(scope="module")
def project(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A platform with an arm on SmolLM2 and its masked tokens."""
    root = tmp_path_factory.mktemp("smollm2")
    project = Project(root / "project", Home(root / "home"), {"OMP_NUM_THREADS": CORES})
    project.copy()
    arm = project.root / "srft_assets" / "defs" / "arms" / "smol" / "defs.yaml"
    arm.parent.mkdir()
    arm.write_text(ARM.format(json.dumps(str(FOLDER))))
    source = shared / "trajectories" / "openhands-v0.15"
    for part in (f"completions/{RUN}.json", f"reports/{RUN}.report.json"):
        (root / "runs" / part).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source / part, root / "runs" / part)
    project.srft("ingest", str(root / "runs"), "--batch", "real")
    project.srft("apply", "masked_tokens/smol")
    return project


@pytest.fixture(scope="module")
def browser(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """The UI, opened."""
    dev = opened(project, tmp_path_factory.mktemp("log") / "dev.log")
    yield dev.browser
    dev.stop()


def trainings(home: Home) -> list[psutil.Process]:
    """Processes that train on this platform; their guards are not among them."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if words[1:3] == ["-m", MAIN] and words[-1].startswith(str(home.root)):
            found.append(process)
    return found


def steps_told(browser: Browser, run: str) -> list[int]:
    """Optimizer steps that the log of a run names."""
    events = browser.ask(RUN_LOG, run=run)["events"]
    said = (re.search(r"step (\d+) of 10: loss", event.get("message", "")) for event in events)
    return [int(match[1]) for match in said if match]


def saved(home: Home) -> list[int]:
    """Steps whose state is whole."""
    states = home.artifacts.glob("checkpoints/smol/0/*.partial/states/checkpoint-*")
    return [int(s.name.split("-")[1]) for s in states if (s / "trainer_state.json").exists()]


@pytest.fixture(scope="module")
def killed(browser: Browser, project: Project) -> str:
    """`Materialize` was pressed, and the run's process killed when three steps were saved."""
    run = browser.materialize([ASSET], SEED)
    assert until(lambda: max(saved(project.home), default=0) >= 3, 1200), "it never trained"
    (training,) = trainings(project.home)
    guard = training.parent()
    worker = guard.parent()
    os.kill(worker.pid, signal.SIGKILL)
    _, left = psutil.wait_procs([training, guard], timeout=30)
    assert left == [], "a training must end with the run that started it"
    return run


@pytest.fixture(scope="module")
def finished(browser: Browser, project: Project, killed: str) -> str:
    """`Materialize` was pressed again; the run that made the checkpoint.

    Dagster tries a run again whose process died; whichever comes first trains, the other finds
    the checkpoint in sync.
    """
    again = browser.materialize([ASSET], SEED)
    assert browser.wait_for(again, 1800) == "SUCCESS"
    stamp = Warehouse(project.home.warehouse).stamp(ASSET, SEED)
    assert stamp is not None and stamp.run_id != killed
    return stamp.run_id


@pytest.fixture(scope="module")
def checkpoint(project: Project, finished: str) -> Path:
    """The folder of the adapter."""
    row = Warehouse(project.home.warehouse).read(ASSET, SEED)
    return project.home.root / row["path"][0]


@pytest.fixture(scope="module")
def result(checkpoint: Path) -> TrainingResult:
    """What the training says of itself."""
    found = read_result(checkpoint)
    assert found is not None
    return found


def test_it_goes_on_where_it_was_killed(browser: Browser, killed: str, finished: str):
    before, after = steps_told(browser, killed), steps_told(browser, finished)
    assert min(before) == 1 and max(before) < 10
    assert min(after) > 3 and max(after) == 10


def test_the_loss_goes_down(result: TrainingResult):
    """The second time that it sees the same rows."""
    losses = [point.loss for point in result.loss_curve]
    print(f"loss by step: {losses}")
    assert [point.step for point in result.loss_curve] == list(range(1, 11))
    assert result.rows == 10
    assert sum(losses[5:]) < 0.9 * sum(losses[:5])


def test_it_was_trained_on_real_masked_rows(project: Project, result: TrainingResult):
    rows = Warehouse(project.home.warehouse).read("masked_tokens/smol", "real")
    assert rows["n_masked"].sum() > 0
    assert result.rows == rows.filter(rows["n_trained"] > 0).height < rows.height
    assert result.tokens <= rows["n_tokens"].sum()


def test_the_adapter_answers_through_transformers(checkpoint: Path):
    """And it says another thing than the base model where it was trained."""
    import torch
    from peft import AutoPeftModelForCausalLM
    from transformers import AutoTokenizer

    assert (checkpoint / "adapter_model.safetensors").is_file()
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    model = AutoPeftModelForCausalLM.from_pretrained(checkpoint).eval()
    chat = [{"role": "user", "content": "List the files of the folder /testbed."}]
    asked = tokenizer.apply_chat_template(
        chat, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    with torch.no_grad():
        said = model.generate(**asked, max_new_tokens=12, do_sample=False)
        with model.disable_adapter():
            base = model(**asked).logits[0, -1]
        tuned = model(**asked).logits[0, -1]
    answer = tokenizer.decode(said[0, asked["input_ids"].shape[1] :])
    print(f"it says: {answer!r}")
    assert answer.strip()
    assert (tuned - base).abs().max() > 0.1
