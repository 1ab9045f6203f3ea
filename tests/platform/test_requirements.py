"""`srft doctor --arm`: what an arm asks for against what a machine has."""

import json
import os
from pathlib import Path

import pytest

from srft_assets import devices
from srft_assets.devices import Device, driver_gpus
from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.platform import requirements
from srft_assets.platform.requirements import Requirement, requirements_of, training_of
from srft_assets.platform.stages import arm_of, filled_arm
from srft_assets.project.settings import settings
from srft_assets.tokens.arm import ArmSpec
from srft_assets.training.memory import GIB
from tests.cli.conftest import Said, Srft, speaking, srft  # noqa: F401
from tests.training.conftest import frame_of, make_rows, put

SEVEN = "Qwen/Qwen2.5-Coder-7B-Instruct"
ARM = f"""\
type: srft_assets.components.Arm
attributes:
  model: {SEVEN}
  training: {{method: lora, max_length: 32768}}
"""


def gpus(monkeypatch: pytest.MonkeyPatch, count: int, gib: int = 80) -> None:
    """As on a machine with such GPUs; this one has none."""
    there = [Device("H100", gib * GIB)] * count
    monkeypatch.setattr(requirements, "training_gpus", lambda: there)


def arm(**stated: object) -> ArmSpec:
    return ArmSpec.model_validate({"name": "mine", "model": SEVEN, **stated})


def found(spec: ArmSpec, home: Home) -> dict[str, Requirement]:
    training = training_of(spec, home)
    return {one.name: one for one in requirements_of(spec, home, training)}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose arm is too large for any machine of these tests."""
    own = tmp_path / "project" / "arms" / "seven" / "defs.yaml"
    own.parent.mkdir(parents=True)
    own.write_text(ARM)
    (tmp_path / "project" / "srft.yaml").write_text("")
    monkeypatch.setenv("SRFT_PROJECT", str(tmp_path / "project"))
    return tmp_path / "project"


def test_the_embedded_arm_fits_this_machine(srft: Srft) -> None:  # noqa: F811
    said = srft("doctor", "--arm", "sft")
    assert (said.code, said.err) == (0, "")
    assert "469," in said.out and "no masks yet: rows of 4,096 tokens" in said.out
    assert said.out.rstrip().endswith("This machine has what the arm sft asks for.")


def test_what_does_not_fit_is_named_with_what_to_lower(
    srft: Srft,  # noqa: F811
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gpus(monkeypatch, 1, gib=24)
    said = srft("doctor", "--arm", "seven")
    assert said.code == 1
    lines = said.out.splitlines()
    start = lines.index("What lowers memory, each on top of those before it:")
    assert lines[start + 1].startswith("  training.method: qlora: ")
    assert lines[start + 2].startswith("  training.max_length and micro_batch_tokens: ")
    assert "arm seven asks for more than is here: memory" in said.err


def test_an_arm_that_trains_nothing_is_looked_at_for_how_it_is_scored(
    srft: Srft,  # noqa: F811
    project: Path,
) -> None:
    own = project / "arms" / "base" / "defs.yaml"
    own.parent.mkdir()
    stated = "method: none}\n  evaluation: {tasks: 2, serve: {}}"
    own.write_text(ARM.replace("method: lora, max_length: 32768}", stated))
    said = srft("doctor", "--arm", "base")
    assert said.code == 1 and f"trains nothing: {SEVEN} is scored as it is" in said.out
    asked = [line.split("  ")[0] for line in said.out.splitlines()[1:] if line[:1] != " "]
    assert asked == ["disk", "served context", "serving", "sandbox"]


def test_arms_that_are_not_there_are_told_with_those_that_are(srft: Srft) -> None:  # noqa: F811
    said = srft("doctor", "--arm", "nowhere")
    assert (said.code, said.err[:31]) == (2, "error: no arm 'nowhere'; there ")


def test_fewer_gpus_than_processes_and_methods_without_their_gpu(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    launch = {"launcher": "torchrun", "processes": 4, "batch_size": 4}
    gpus(monkeypatch, 2)
    there = found(arm(training=launch), home)["GPUs"]
    assert (there.met, there.advice) == (False, ("training.processes: 2",))
    gpus(monkeypatch, 0)
    options = {"use_liger_kernel": True}
    without = found(arm(training={"method": "qlora", "options": options}), home)
    assert without["GPUs"].met and "trains on the CPU" in without["GPUs"].found
    assert not without["qlora"].met and not without["Liger"].met


def test_gpus_that_torch_was_not_built_for_are_told(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(
        "#!/bin/sh\necho 'NVIDIA H100, 80GB, 81559'\necho 'NVIDIA H100, 80GB, 81559'\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert driver_gpus() == [Device("NVIDIA H100, 80GB", 81_559 * 2**20)] * 2
    monkeypatch.setattr(devices, "torch_build", lambda: "2.13.0+cpu")
    told = found(arm(model="tiny"), home)["GPUs"]
    assert not told.met and told.found.startswith("2, which torch")


def test_the_rows_that_were_masked_are_measured(home: Home) -> None:
    spec = arm(model="tiny", training={"max_length": 100})
    rows = make_rows(8)
    longest = max(len(ids) for ids, _ in rows)
    put(home, "masked_tokens/mine", "lab-1", frame_of(rows), tokens=100, tokens_trained=40)
    training = training_of(spec, home)
    assert (training.setup.longest, training.assumed) == (longest, "")
    assert training.setup.with_loss == round(0.4 * training.setup.tokens)


def test_context_of_base_server_and_agent(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requirements, "vllm_program", lambda: "vllm")
    gpus(monkeypatch, 1, gib=16)
    evaluation = {"serve": {"tensor_parallel_size": 2}, "agent": {"context": 40_000}}
    told = found(arm(training={"max_length": 65_536}, evaluation=evaluation), home)
    assert told["context"].advice == ("training.max_length: 32768",)
    assert told["served context"].advice == ("agent.context: 32768",)
    assert told["serving"].found == "1 GPUs for 2"
    told = found(arm(evaluation={"serve": {}}), home)
    assert not told["serving"].met and "1.8 GiB for one chat of 32,768" in told["serving"].found


def test_rows_and_images_that_cannot_be_had_are_told(home: Home, tmp_path: Path) -> None:
    told = found(arm(evaluation={"tasks": str(tmp_path / "none.jsonl")}), home)
    assert not told["tasks"].met and "no data set" in told["tasks"].found
    assert {"environment", "grader"} <= told.keys(), "what is the same for all rows is looked at"


def test_images_that_are_not_here_need_room_where_docker_keeps_them(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a program that has one image of two, and a registry that has the other."""
    row = {"repo": "d/d", "base_commit": "0", "problem_statement": "x", "version": "1"}
    rows = [
        {**row, "instance_id": f"d__d-{name}", "image": f"{name}:1"} for name in ("here", "far")
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    program = tmp_path / "docker"
    known = "info|'image inspect here:1'|'manifest inspect far:1') ;;"
    printed = f"'image ls '*) echo here:1 ;; 'info --format '*) echo {tmp_path} ;;"
    program.write_text(f'#!/bin/sh\ncase "$*" in {printed} {known} *) exit 1 ;; esac\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    evaluation = {"tasks": str(tmp_path / "rows.jsonl"), "grader": "none"}
    told = found(arm(model="tiny", evaluation=evaluation), home)
    assert told["tasks"].found.startswith("2 of ")
    assert told["environment"] == Requirement("environment", True, "docker, 2 images")
    assert told["images"].met
    assert told["images"].found.startswith("1 of 2 to fetch, about 0.5 GiB of ")
    assert told["images"].found.endswith(f" at {tmp_path}")
    monkeypatch.setattr(requirements, "IMAGE", 1e15)
    crowded = found(arm(model="tiny", evaluation=evaluation), home)["images"]
    assert (crowded.met, crowded.advice) == (False, ("evaluation.first",))
    program.write_text("#!/bin/sh\necho no daemon >&2; exit 1\n")
    dead = found(arm(model="tiny", evaluation=evaluation), home)["environment"]
    assert (dead.met, dead.found) == (False, "docker does not answer: no daemon")


def test_states_and_downloads_need_room(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    gpus(monkeypatch, 1)
    told = found(arm(), home)["disk"]
    # 12 bytes a parameter in each of three states, and 2 for the checkpoint and for the download.
    assert f"about {7.615616512e9 * (36 + 2 + 2) / GIB:,.1f} GiB" in told.found
    assert "to download" in told.found


def test_a_server_that_is_shorter_than_the_training_is_refused_after_srft_yaml_was_read(
    project: Path,
) -> None:
    short = ArmSpec.model_validate(
        {"name": "mine", "evaluation": {"tasks": "r", "serve": {"max_model_len": 2048}}}
    )
    with pytest.raises(SrftError, match=r"arm mine: .*max_model_len 2048 is below .* 4096"):
        filled_arm(short, settings())
    (project / "srft.yaml").write_text("training: {max_length: 2048}\n")
    assert filled_arm(short, settings()).training.max_length == 2048
    (project / "arms" / "seven" / "defs.yaml").write_text(
        ARM.replace("max_length: 32768", "batch_size: 2")
        + "  evaluation: {tasks: r, serve: {max_model_len: 4096}}\n"
    )
    assert arm_of("seven").training.max_length == 2048
    (project / "srft.yaml").write_text("training: {max_length: 8192}\n")
    with pytest.raises(SrftError, match=r"arm seven: .*max_model_len 4096 is below .* 8192"):
        arm_of("seven")
