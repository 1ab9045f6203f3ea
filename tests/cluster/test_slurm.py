"""Trainings and evaluations behind srun: on the node with the GPU, ended and resumed as here."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from srft_assets.home import Home
from srft_assets.warehouse.partitions import Warehouse
from tests.chain.support import PROGRAM
from tests.cluster.slurm import Cluster, cluster, needs_slurm
from tests.trajectories.ingest_support import run_of, write_lines

pytestmark = [pytest.mark.cluster, needs_slurm, pytest.mark.timeout(900)]
SETTINGS = """
training: {max_steps: 40, max_length: 600, options: {save_seconds: 0}}
evaluation: {tasks: 80, step_limit: 4}
launch: {training: srun -p gpu --gres gpu:1, evaluation: srun -p gpu --gres gpu:1}
"""
CHECKPOINT = ("apply", "checkpoints/sft", "--seed", "0")
SCORES = ("apply", "eval_scores/sft", "--seed", "0")
TASKS = 80
"""More than are played at a time."""


@pytest.fixture(scope="module")
def slurm() -> Iterator[Cluster]:
    with cluster() as running:
        yield running


class Project:
    """A project whose trainings go to the node with the GPU."""

    def __init__(self, folder: Path, slurm: Cluster) -> None:
        folder.mkdir(exist_ok=True)
        (folder / "srft.yaml").write_text(SETTINGS)
        self.home, self.slurm = Home(folder), slurm
        self.env = {**os.environ, **slurm.env, "SRFT_HOME": str(folder), "COLUMNS": "200"}

    def start(self, *words: str, **more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*PROGRAM, *words],
            env={**self.env, **more},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def srft(self, *words: str, **more: str) -> str:
        process = self.start(*words, **more)
        printed, _ = process.communicate(timeout=400)
        assert process.returncode == 0, printed + self.slurm.logs()
        return printed

    @property
    def saved(self) -> list[Path]:
        """States of the unfinished training."""
        return sorted(self.home.artifacts.glob("checkpoints/sft/0/*.partial/**/trainer_state.json"))

    @property
    def played(self) -> dict[Path, int]:
        """Finished attempts, and when they were."""
        found = self.home.runs.glob("eval/sft/0/**/*.outcome.json")
        return {path: path.stat().st_mtime_ns for path in found}

    def until_saved(self, process: subprocess.Popen[str]) -> None:
        while not self.saved:
            assert process.poll() is None, process.communicate()[0] + self.slurm.logs()
            time.sleep(0.1)

    def version(self) -> str:
        stamp = Warehouse(self.home.warehouse).stamp("checkpoints/sft", "0")
        assert stamp is not None
        return stamp.data_version


@pytest.fixture
def project(tmp_path: Path, slurm: Cluster) -> Project:
    made = Project(tmp_path / "project", slurm)
    path = write_lines(tmp_path / "runs.jsonl", [run_of(f"r{number}") for number in range(8)])
    made.srft("ingest", str(path))
    made.srft("apply", "masked_tokens/sft")
    return made


def test_a_training_on_a_node_is_ended_lost_and_resumed_as_one_here(
    project: Project, tmp_path: Path
) -> None:
    slurm = project.slurm
    shutil.copytree(project.home.root, tmp_path / "undisturbed")
    undisturbed = Project(tmp_path / "undisturbed", slurm)
    undisturbed.srft(*CHECKPOINT, SRFT_LAUNCH_TRAINING="local")
    training = project.start(*CHECKPOINT)
    project.until_saved(training)
    assert slurm.said("squeue", "-h", "-o", "%N %T").split() == ["node-b", "RUNNING"]
    os.killpg(training.pid, signal.SIGINT)
    assert training.wait(timeout=60) == 130
    slurm.wait("node-b")
    assert slurm.said("squeue", "-h") == "", "cancelling ends the work on the node"
    assert project.saved

    training = project.start(*CHECKPOINT)
    saved = project.saved
    while project.saved == saved:
        assert training.poll() is None, training.communicate()[0] + slurm.logs()
        time.sleep(0.1)
    slurm.lose("node-b")
    printed, _ = training.communicate(timeout=300)
    assert training.returncode == 1
    assert "failed checkpoints/sft 0: node-b was lost, or " in printed
    assert "the same command goes on with it" in printed
    slurm.start("node-b")
    slurm.wait("node-b")

    printed = project.srft(*CHECKPOINT)
    assert "40 of 40" in printed
    (log,) = sorted(project.home.logs.glob("*-apply-*.log"))[-1:]
    assert "40 of 40" in log.read_text()
    assert list(project.home.launches.iterdir()) == []
    assert project.version() == undisturbed.version(), "by the hash of the weights"


def test_an_evaluation_on_a_node_is_cancelled_and_goes_on_with_what_it_lacks(
    project: Project,
) -> None:
    slurm = project.slurm
    project.srft(*CHECKPOINT, SRFT_LAUNCH_TRAINING="local")
    evaluation = project.start(*SCORES)
    while not project.played:
        assert evaluation.poll() is None, evaluation.communicate()[0] + slurm.logs()
        time.sleep(0.1)
    assert slurm.said("squeue", "-h", "-o", "%N %T").split() == ["node-b", "RUNNING"]
    os.killpg(evaluation.pid, signal.SIGINT)
    assert evaluation.wait(timeout=60) == 130
    slurm.wait("node-b")
    assert slurm.said("squeue", "-h") == "", "cancelling ends the work on the node"
    before = project.played
    assert 0 < len(before) < TASKS

    assert "made eval_scores/sft: 0" in project.srft(*SCORES)
    after = project.played
    assert len(after) == TASKS
    assert {path: after[path] for path in before} == before, "what was played stays"
    assert Warehouse(project.home.warehouse).read("eval_scores/sft", "0").height == TASKS
    assert list(project.home.launches.iterdir()) == []


def test_a_prefix_that_the_cluster_refuses_says_why(project: Project) -> None:
    process = project.start(*CHECKPOINT, SRFT_LAUNCH_TRAINING="srun -p nonesuch")
    printed, _ = process.communicate(timeout=300)
    assert process.returncode == 1
    assert "srun failed (exit code 1): srun: error: invalid partition specified" in printed
