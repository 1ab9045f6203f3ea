"""A grading job that several hosts are given shares out its instances: each is graded once."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from logging import getLogger
from pathlib import Path
from types import SimpleNamespace

from srft_assets.home import Home
from srft_assets.outcomes.grader_choice import Grading
from srft_assets.outcomes.harness.grader import Harness
from srft_assets.outcomes.harness.run import HarnessJob, Prediction, harness_root, read_attempts
from srft_assets.outcomes.task import TaskInstance

HOST = """
import sys, time
from pathlib import Path
from types import SimpleNamespace
from srft_assets.outcomes.harness import main
from srft_assets.outcomes.harness.run import HarnessJob
from srft_assets.outcomes.status import Status

def graded(job, prediction):
    with (job.root / "graded").open("a") as file:
        file.write(f"{sys.argv[2]} {prediction.run_id}\\n")
    time.sleep(0.2)
    return ""

main._run_harness = graded  # all but the containers
outcome = SimpleNamespace(outcome=SimpleNamespace(status=Status.RESOLVED, reason=""))
main.read_result = lambda root, prediction: outcome
job = HarnessJob.model_validate_json(Path(sys.argv[1]).read_bytes())
print("ready", flush=True)
sys.stdin.readline()
main._run(job, workers=2)
"""


def test_two_hosts_grade_each_instance_once(tmp_path: Path) -> None:
    predictions = [
        Prediction(run_id=f"r{number}", instance_id=f"i{number // 2}", patch=str(number))
        for number in range(16)
    ]
    job = HarnessJob(root=tmp_path, label="l", predictions=predictions, grading=Grading())
    path = tmp_path / "job.json"
    path.write_text(job.model_dump_json())
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    hosts = [
        subprocess.Popen(
            [sys.executable, "-c", HOST, str(path), name],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            **pipes,
        )
        for name in "ab"
    ]
    for host in hosts:
        assert host.stdout.readline() == "ready\n"
    for host in hosts:
        host.stdin.write("go\n")
        host.stdin.flush()
    for host in hosts:
        printed, _ = host.communicate(timeout=60)
        assert host.returncode == 0
        assert '"step":16,"of":16' in printed.replace(" ", "")
    lines = [line.split() for line in (tmp_path / "graded").read_text().splitlines()]
    assert sorted(run for _, run in lines) == sorted(one.run_id for one in predictions)
    assert set(Counter(host for host, _ in lines)) == {"a", "b"}
    assert all(len(read_attempts(tmp_path, one.run_id)) == 1 for one in predictions)


def test_partitions_of_one_run_hand_over_jobs_of_their_own(home: Home, task: TaskInstance) -> None:
    """As `--jobs 2` makes them: one begins while the other is graded."""
    told: dict[str, list[str]] = {}

    def grade(patch: str, meanwhile: Callable[[], None]) -> None:
        def launch(argv: Sequence[str], env: object, prefix: object) -> None:
            meanwhile()
            job = HarnessJob.model_validate_json(Path(argv[-1]).read_bytes())
            told[patch] = [one.patch for one in job.predictions]

        work = SimpleNamespace(home=home, run_id="one", launch=launch, log=getLogger("grading"))
        Harness(Grading(), work).results([(task.instance_id, patch)], {task.instance_id: task}, "l")

    grade("first", lambda: grade("second", lambda: None))
    assert told == {"first": ["first"], "second": ["second"]}
    assert list((harness_root(home) / "jobs").iterdir()) == []
