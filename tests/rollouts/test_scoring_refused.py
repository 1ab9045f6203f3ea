"""What of `evaluation:` cannot work is told in one line, before anything is played."""

import json
import struct
from pathlib import Path

import pytest
from pydantic import ValidationError

from srft_assets.errors import SrftError
from srft_assets.home import Home
from srft_assets.outcomes.task import TaskInstance
from srft_assets.rollouts.preflight import check_adapter, check_model, check_places
from srft_assets.rollouts.settings import EndpointModel, LabTasks, RolloutSettings, ServedModel
from srft_assets.rollouts.stage import eval_scores_stage
from srft_assets.rollouts.task_set import task_set
from srft_assets.serving import ServerSpec
from srft_assets.tokens.arm import ArmSpec, EvaluationSpec
from srft_assets.warehouse.partitions import Warehouse
from srft_assets.warehouse.plan import State, state_of
from tests.rollouts.chat_server import serving

ROW = {"repo": "d/d", "base_commit": "0", "problem_statement": "x", "version": "1.2"}


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    lines = [json.dumps({**ROW, "instance_id": f"d__d-{number}"}) for number in range(4)]
    path.write_text("\n".join(lines))
    return path


def chosen(home: Home, rows: Path, **stated) -> list[str]:
    spec = EvaluationSpec.model_validate({"tasks": str(rows), **stated})
    return [task.instance_id for task in task_set(spec, home)]


def test_rows_are_chosen_by_name_by_sql_and_by_number(home, rows):
    assert chosen(home, rows, instances=["d__d-3", "d__d-1"]) == ["d__d-3", "d__d-1"]
    assert chosen(home, rows, where="instance_id <> 'd__d-0'", first=2) == ["d__d-1", "d__d-2"]


@pytest.mark.parametrize(
    ("stated", "told"),
    [
        ({"instances": ["d__d-9", "d__d-8"]}, r"rows.jsonl has no d__d-9 and 1 more"),
        ({"where": "nowhere = 1"}, r"evaluation.where: .*nowhere"),
        ({"where": "1; DROP TABLE candidates"}, r"evaluation.where: syntax error"),
        ({"where": "version"}, r"evaluation.where gives VARCHAR"),
        ({"where": "(SELECT count(*) FROM read_text('/etc/passwd')) > 0"}, r"evaluation.where"),
        ({"where": "version = '9'"}, r"no row is left to play"),
        ({"tasks": "./nowhere.jsonl"}, r"no data set './nowhere.jsonl'"),
        ({"environment": "sandbox"}, r"d__d-0 bears no `files`"),
    ],
)
def test_rows_that_are_not_there_are_told_by_the_plan(home, rows, stated, told):
    with pytest.raises(SrftError, match=told):
        chosen(home, rows, **stated)
    spec = EvaluationSpec.model_validate({"tasks": str(rows), **stated})
    stage = eval_scores_stage(ArmSpec(name="mine", evaluation=spec))
    item = state_of(stage, home, Warehouse(home.warehouse), "0")
    assert (item.state, "\n" in item.why[0]) == (State.WAITING, False)


@pytest.mark.parametrize(
    ("stated", "told"),
    [
        ({"environment": "docker"}, "generated tasks cannot be played in docker"),
        ({"first": 3}, "first is for rows"),
        ({"grader": "swebench"}, "generated tasks cannot be graded by swebench"),
        ({"tasks": "r", "agent": {"cost_limit": 1}}, "agent.cost_limit needs serve.price"),
        ({"tasks": "r", "agent": {"protocol": "tools"}}, "tools needs serve"),
        ({"tasks": "r", "serve": {"base_url": "x"}}, "state a URL"),
        ({"tasks": "r", "serve": {"base_url": "http://u:p@h/v1"}}, "state no user, password"),
        (
            {"tasks": "r", "serve": {"base_url": "http://h/v1", "quantization": "fp8"}},
            "quantization is for a vLLM that is started here",
        ),
        ({"tasks": "r", "serve": {"name": "m"}}, "name is for a server that runs already"),
        (
            {"tasks": "r", "serve": {"max_model_len": 99}, "agent": {"context": 100}},
            "agent.context 100 is over serve.max_model_len 99",
        ),
        ({"grading": {"timeout": 9}}, "grading.timeout has no effect in the sandbox"),
        (
            {"tasks": "r", "environment": "modal", "agent": {"network": True}},
            "network has no effect in modal",
        ),
    ],
)
def test_settings_that_contradict_each_other_are_refused(stated, told):
    with pytest.raises(ValidationError, match=told):
        EvaluationSpec.model_validate(stated)


def asked(base_url: str, name: str = "mine/0") -> RolloutSettings:
    model = EndpointModel(name=name, base_url=base_url)
    return RolloutSettings(tasks=LabTasks(seed=1, count=1), model=model)


def test_a_server_that_is_not_there_or_has_another_model_is_refused():
    with serving([], names=["other"]) as server:
        with pytest.raises(SrftError, match=r"no model 'mine/0'; it has: other"):
            check_model(asked(server.base_url), 4096)
        check_model(asked(server.base_url, "other"), 4096)
    with pytest.raises(SrftError, match=r"nobody answers at http://127\.0\.0\.1"):
        check_model(asked(server.base_url), 4096)


@pytest.mark.parametrize(
    "said",
    [{"max_model_len": 2048}, {"meta": {"n_ctx": 2048, "n_ctx_train": 32768}}],
    ids=["vllm", "llama.cpp"],
)
def test_a_server_whose_context_is_too_short_is_refused(monkeypatch, said):
    monkeypatch.setattr("srft_assets.rollouts.preflight.listed", lambda *_: {"mine/0": said})
    with pytest.raises(SrftError, match=r"takes 2,048 tokens .* training.max_length is 4,096"):
        check_model(asked("http://h/v1"), 4096)
    check_model(asked("http://h/v1"), 2048)


def weights(folder: Path, **shapes: list[int]) -> Path:
    """A folder with the head of a weight file, and no weights."""
    folder.mkdir()
    empty = {"dtype": "F32", "data_offsets": [0, 0]}
    named = {name.replace("__", "."): shape for name, shape in shapes.items()}
    head = json.dumps({name: {**empty, "shape": shape} for name, shape in named.items()})
    content = struct.pack("<Q", len(head)) + head.encode()
    (folder / "model.safetensors").write_bytes(content)
    return folder


def test_an_adapter_that_does_not_fit_its_base_is_refused(tmp_path):
    base = weights(tmp_path / "base", q__weight=[8, 16])
    fits = {"base_model__model__q__lora_A__weight": [4, 16]}
    check_adapter(weights(tmp_path / "fits", **fits), str(base))
    wide = {"base_model__model__q__lora_A__weight": [4, 32]}
    with pytest.raises(SrftError, match="q is 16 wide there, and 32 here"):
        check_adapter(weights(tmp_path / "wide", **wide), str(base))
    strange = {"base_model__model__k__lora_B__weight": [8, 4]}
    torn = tmp_path / "torn"
    torn.mkdir()
    (torn / "model.safetensors").write_bytes(b"torn")
    with pytest.raises(SrftError, match="is damaged"):
        check_adapter(torn, str(base))
    with pytest.raises(SrftError, match="no k there"):
        check_adapter(weights(tmp_path / "strange", **strange), str(base))


def test_a_vllm_that_is_not_installed_is_refused():
    served = ServedModel(server=ServerSpec(model="m", command=("no-such-vllm",)))
    settings = RolloutSettings(tasks=LabTasks(seed=1, count=1), model=served)
    with pytest.raises(SrftError, match=r"no-such-vllm is not installed: serve\.base_url"):
        check_model(settings, 4096)


@pytest.mark.parametrize("program", ["docker", "podman"])
def test_images_that_are_neither_here_nor_in_their_registry_are_refused(
    program, tmp_path, monkeypatch
):
    """By a program that has one image, and a registry that has another."""
    fake = tmp_path / program
    known = "info | 'image inspect here:1' | 'manifest inspect far:1'"
    fake.write_text(f'#!/bin/sh\ncase "$*" in {known}) ;; *) echo no such >&2; exit 1 ;; esac\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    tasks = [
        TaskInstance.model_validate({**ROW, "instance_id": f"d__d-{name}", "image": f"{name}:1"})
        for name in ("here", "lost", "far", "gone")
    ]
    with pytest.raises(
        SrftError, match=r"image gone:1 is not here and cannot be pulled \(nor 1 other image"
    ):
        check_places(tasks, program)
    check_places(tasks[:1], program)


def test_a_registry_that_was_asked_too_often_stops_nothing(tmp_path, monkeypatch):
    fake = tmp_path / "docker"
    limit = "toomanyrequests: You have reached your pull rate limit"
    fake.write_text(f'#!/bin/sh\n[ "$1" = info ] || {{ echo "{limit}" >&2; exit 1; }}\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    named = {**ROW, "instance_id": "d__d-1", "image": "far:1"}
    check_places([TaskInstance.model_validate(named)], "docker")


@pytest.mark.parametrize(
    ("environment", "told"), [("apptainer", "is not installed"), ("modal", "needs swe-rex")]
)
def test_what_is_not_installed_is_told(environment, told, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(SrftError, match=told):
        check_places([], environment)
