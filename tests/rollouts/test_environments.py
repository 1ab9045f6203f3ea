"""Containers of tasks: no network, no powers, bounded commands."""

import pytest

from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.outcomes.task import TaskInstance
from srft_assets.rollouts.images import (
    ContainerSandbox,
    image_of,
    left_by,
    owner_of,
    remove,
    run_arguments,
)
from srft_assets.sandbox import Limits, SandboxError


def task(**more) -> TaskInstance:
    row = {"instance_id": "django__django-1", "repo": "d/d", "base_commit": "0"}
    return TaskInstance.model_validate({**row, "problem_statement": "x", **more})


def test_the_image_is_the_row_s_own_or_the_official_one():
    assert image_of(task(image="local/base:1")) == "local/base:1"
    official = "docker.io/swebench/sweb.eval.x86_64.django_1776_django-1:latest"
    assert image_of(task()) == official


@pytest.mark.parametrize("name", ["--privileged", "a b", "x;reboot", "$(id)", "-v/:/host"])
def test_an_image_that_is_an_option_or_a_command_is_refused(name):
    with pytest.raises(SrftError, match="no name of an image"):
        image_of(task(image=name))


def test_no_network_unless_it_is_allowed():
    assert "--network none" in " ".join(run_arguments("b", network=False))
    assert "--network" not in run_arguments("b", network=True)
    for always in ("--rm", "--cap-drop", "--pids-limit", "--memory", "srft.rollout=b"):
        assert always in run_arguments("b", network=True)


def test_a_command_is_one_argument_with_its_time_kept_inside():
    argv = ContainerSandbox("c1", "i").argv("echo 'a b'; reboot", 30.0, {"A": "1"})
    head = ["docker", "exec", "-w", "/testbed", "-e", "A=1", "c1", "timeout", "-k", "2", "30"]
    assert argv == [*head, "bash", "-c", "echo 'a b'; reboot"]


@pytest.fixture
def stand_in(tmp_path):
    """A program in the place of docker: it runs what comes after the container's name here."""
    program = tmp_path / "docker"
    asked = '[ "$1" = container ] && exec cat "$0.running"'
    shifted = 'while [ "$1" != c1 ]; do shift; done; shift; exec "$@"'
    program.write_text(f"#!/bin/bash\n{asked}\n{shifted}\n")
    program.chmod(0o755)
    (tmp_path / "docker.running").write_text("true\n")
    return ContainerSandbox("c1", "i", executable=str(program))


def test_output_is_bounded_and_time_is_kept(stand_in, tmp_path):
    limits = Limits(wall_seconds=20, output_bytes=10_000)
    done = stand_in.run("head -c 5000000 /dev/zero | tr '\\0' a", workdir=tmp_path, limits=limits)
    assert (done.returncode, done.timed_out) == (0, False)
    assert len(done.output) < 11_000
    late = stand_in.run("sleep 30", workdir=tmp_path, limits=Limits(wall_seconds=0.5))
    assert late.timed_out
    assert stand_in.run("exit 3", workdir=tmp_path).returncode == 3
    assert "NUL" in stand_in.run("echo \0", workdir=tmp_path).output


def test_a_machine_without_docker_is_told(tmp_path, monkeypatch):
    gone = ContainerSandbox("c1", "i", executable=str(tmp_path / "none"))
    with pytest.raises(SandboxError, match="cannot be run"):
        gone.run("true", workdir=tmp_path)
    assert left_by("b", str(tmp_path / "none")) == []


@pytest.mark.parametrize("running", ["false\n", "", None])
def test_a_command_of_a_container_that_is_gone_is_no_output_of_the_model_s(
    stand_in, tmp_path, running
):
    """`docker exec` ends with 1 then, and says why where the command's output is."""
    said = tmp_path / "docker.running"
    said.unlink() if running is None else said.write_text(running)
    assert stand_in.run("true", workdir=tmp_path).returncode == 0
    with pytest.raises(SandboxError, match=r"container c1 .* runs no longer"):
        stand_in.run(
            "echo 'Error response from daemon: No such container'; exit 1", workdir=tmp_path
        )


def test_a_daemon_that_hangs_holds_nobody_up(tmp_path):
    program = tmp_path / "docker"
    program.write_text("#!/bin/bash\nexec sleep 60\n")
    program.chmod(0o755)
    remove(["c1"], str(program), seconds=0.1)
    assert left_by("b", str(program), seconds=0.1) == []


def test_batches_of_one_name_on_two_platforms_have_containers_of_their_own(tmp_path):
    one, other = (owner_of(Home(tmp_path / name), "b") for name in ("one", "other"))
    assert one != other
    assert one == owner_of(Home(tmp_path / "x" / ".." / "one"), "b")
    assert one.startswith("b-")
