"""Rollouts in real containers; skipped where no Docker daemon can be had."""

import json
import uuid
from collections.abc import Iterator

import pytest

from srft_assets.agent.protocol import turn
from srft_assets.outcomes.task import TaskInstance
from srft_assets.rollouts.batch import register
from srft_assets.rollouts.images import container_of, left_by, owner_of, remove
from srft_assets.rollouts.player import collect
from srft_assets.sandbox import Limits, SandboxError
from srft_assets.trajectories.batches import read_manifest
from tests.outcomes.harness.docker_daemon import BASE, NoDaemonError, docker_daemon
from tests.rollouts.chat_server import serving
from tests.rollouts.test_player import runs_in

SUBMIT = "echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT && cat new.txt"
ROW = {"instance_id": "d__d-1", "repo": "d/d", "base_commit": "0", "problem_statement": "x"}
pytestmark = pytest.mark.timeout(1500)
"""The first test may install Docker and make an image."""


@pytest.fixture(scope="module", autouse=True)
def daemon() -> Iterator[str]:
    patch = pytest.MonkeyPatch()
    try:
        with docker_daemon() as host:
            patch.setenv("DOCKER_HOST", host)
            yield host
    except NoDaemonError as error:
        pytest.skip(str(error))
    finally:
        patch.undo()


@pytest.fixture
def batch() -> Iterator[str]:
    name = f"test-{uuid.uuid4().hex[:8]}"
    yield name
    remove(left_by(name))


def task(image: str = BASE) -> TaskInstance:
    return TaskInstance.model_validate({**ROW, "image": image})


def test_a_container_has_no_network_and_is_gone_afterwards(batch, tmp_path):
    with container_of(task(), batch, network=False) as box:
        assert len(left_by(batch)) == 1
        devices = box.run("cat /proc/net/dev", workdir=tmp_path).output
        assert "lo:" in devices
        assert "eth0" not in devices
        box.run("echo kept > /tmp/x", workdir=tmp_path)
        assert box.run("cat /tmp/x; pwd", workdir=tmp_path).output == "kept\n/testbed\n"
    assert left_by(batch) == []


def test_a_network_is_there_where_it_is_allowed(batch, tmp_path):
    with container_of(task(), batch, network=True) as box:
        assert "eth0" in box.run("cat /proc/net/dev", workdir=tmp_path).output


def test_hostile_commands_are_bounded_and_the_container_goes_on(batch, tmp_path):
    with container_of(task(), batch, network=False) as box:
        late = box.run("sleep 300", workdir=tmp_path, limits=Limits(wall_seconds=1))
        assert late.timed_out
        much = box.run("yes", workdir=tmp_path, limits=Limits(wall_seconds=2, output_bytes=10_000))
        assert len(much.output) < 11_000
        left = box.run("cat /proc/[0-9]*/comm", workdir=tmp_path).output.split()
        assert "yes" not in left
        assert left.count("sleep") == 1
        assert box.run("mount -t tmpfs none /mnt", workdir=tmp_path).returncode != 0


def test_an_image_that_is_not_there_is_told(batch):
    with (
        pytest.raises(SandboxError, match="no container of"),
        container_of(task("localhost:1/none:1"), batch, network=False),
    ):
        pass
    assert left_by(batch) == []


def test_a_batch_is_played_in_containers(home, work, tmp_path):
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps({**ROW, "image": BASE}) + "\n")
    replies = [turn("Edit.", "echo 1 > new.txt"), turn("Done.", SUBMIT)]
    with serving(replies) as server:
        register(home, "played", str(rows), "m", asking={"base_url": server.base_url})
        folder = collect(work, dict(read_manifest(home, "played").settings))
    [run] = runs_in(folder).values()
    assert run["info"]["exit_status"] == "Submitted"
    assert run["info"]["submission"] == "1\n"
    assert run["info"]["config"]["environment"]["sandbox"] == f"docker {BASE}"
    assert "You are a helpful assistant" in run["messages"][0]["content"]
    assert left_by(owner_of(home, "played")) == []


def test_a_container_that_ends_during_a_run_is_a_crash_and_no_run_of_the_model_s(
    home, work, tmp_path
):
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps({**ROW, "image": BASE}) + "\n")
    with serving([turn("Look.", "ls")]) as server:
        register(home, "played", str(rows), "m", asking={"base_url": server.base_url})
        settings = dict(read_manifest(home, "played").settings)
        owner = owner_of(home, "played")
        server.heard = lambda: len(server.asked) == 2 and remove(left_by(owner))
        folder = collect(work, settings)
        [run] = runs_in(folder).values()
        assert run["info"]["exit_status"] == "SandboxError"
        assert "runs no longer" in run["messages"][-1]["content"]
        server.heard = lambda: None
        server.replies = [turn("Edit.", "echo 1 > new.txt"), turn("Done.", SUBMIT)]
        [again] = runs_in(collect(work, settings)).values()
    assert again["info"]["exit_status"] == "Submitted"
