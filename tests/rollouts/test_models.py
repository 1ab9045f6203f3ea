"""The three kinds of models: behind an API, served by a vLLM of ours, loaded here."""

import json
import sys
from pathlib import Path

import pytest

from srft_assets.agent.protocol import SUBMIT, turn
from srft_assets.errors import SrftError
from srft_assets.rollouts.models import AskedModel, AskedModels, key_of
from srft_assets.rollouts.player import collect
from srft_assets.rollouts.settings import RolloutSettings
from srft_assets.tokens.tokenizer import load_tokenizer
from srft_assets.training.model import base_digest
from tests.rollouts import chat_server
from tests.rollouts.chat_server import serving
from tests.rollouts.conftest import EDIT_AND_SUBMIT
from tests.rollouts.test_player import ONE, TASKS, exits_in, runs_in

KEY = "sk-very-secret-0123456789"


def files_below(folder: Path) -> str:
    return "\n".join(path.read_text() for path in folder.rglob("*") if path.is_file())


def test_the_key_reaches_the_server_and_no_file(sandbox, work, asking, monkeypatch):
    monkeypatch.setenv("MY_KEY", KEY)
    with serving(EDIT_AND_SUBMIT, key=KEY) as server:
        folder = collect(work, asking(server.base_url, model={"api_key_env": "MY_KEY"}))
    assert set(server.keys) == {f"Bearer {KEY}"}
    assert set(exits_in(folder).values()) == {"Submitted"}
    assert KEY not in files_below(work.home.root)


def test_a_key_that_the_server_repeats_in_its_error_is_not_kept(sandbox, work, asking, monkeypatch):
    monkeypatch.setenv("MY_KEY", KEY)
    with serving(EDIT_AND_SUBMIT, key="another") as server:
        settings = asking(server.base_url, model={"api_key_env": "MY_KEY"}, tasks=ONE)
        folder = collect(work, settings)
    assert exits_in(folder) == {f"{TASKS[0]}.traj.json": "AuthenticationError"}
    text = files_below(work.home.root)
    assert "wrong key Bearer ***" in text
    assert KEY not in text


def test_a_key_that_is_not_set_is_told_by_its_name(sandbox, work, asking, monkeypatch):
    monkeypatch.delenv("MY_KEY", raising=False)
    with pytest.raises(SrftError, match="the variable MY_KEY"):
        collect(work, asking("http://127.0.0.1:9/v1", model={"api_key_env": "MY_KEY"}))


def test_tool_calls_are_played_with_mini_swe_agents_own_prompts(sandbox, work, asking):
    def call(number: int, command: str) -> dict:
        arguments = json.dumps({"command": command})
        function = {"name": "bash", "arguments": arguments}
        return {"id": f"call_{number}", "type": "function", "function": function}

    with serving([call(1, "echo 1 > new.txt"), call(2, SUBMIT)]) as server:
        model = {"protocol": "tools"}
        settings = asking(server.base_url, model=model, prompts="swebench", tasks=ONE)
        [run] = runs_in(collect(work, settings)).values()
    assert run["info"]["exit_status"] == "Submitted"
    assert "new.txt" in run["info"]["submission"]
    assert [tool["function"]["name"] for tool in server.asked[0]["tools"]] == ["bash"]
    assert {"system", "user", "assistant", "tool"} <= {m["role"] for m in run["messages"]}


def test_a_vllm_of_ours_serves_the_adapter_and_ends_with_the_batch(sandbox, work, asking, tmp_path):
    family = tmp_path / "family"
    family.mkdir()
    server = {
        "model": "base",
        "lora_modules": {"srft/0": str(tmp_path)},
        "command": [sys.executable, chat_server.__file__],
        "env": {"FAMILY": str(family), "REPLIES": json.dumps(EDIT_AND_SUBMIT)},
        "start_timeout": 60,
    }
    settings = asking("", tasks=ONE)
    settings["model"] = {"kind": "vllm", "server": server, "name": "srft/0"}
    [run] = runs_in(collect(work, settings)).values()
    assert run["info"]["exit_status"] == "Submitted"
    assert run["info"]["config"]["model"]["model_name"] == "openai/srft/0"
    [started] = family.iterdir()
    argv = json.loads(started.read_text())
    assert argv[argv.index("--enable-lora") + 1 :][:2] == ["--lora-modules", f"srft/0={tmp_path}"]
    assert not Path("/proc", started.name).exists()


def test_a_vllm_of_ours_is_told_where_the_template_ends_a_turn(
    sandbox, work, asking, tmp_path, micro
):
    """A base's own files may know the end of a text only."""
    (tmp_path / "family").mkdir()
    server = {
        "model": str(micro),
        "command": [sys.executable, chat_server.__file__],
        "env": {"FAMILY": str(tmp_path / "family"), "REPLIES": json.dumps(EDIT_AND_SUBMIT)},
        "start_timeout": 60,
    }
    settings = asking("", tasks=ONE)
    settings["model"] = {"kind": "vllm", "server": server}
    [run] = runs_in(collect(work, settings)).values()
    tokenizer = load_tokenizer(micro)
    stated = run["info"]["config"]["model"]["model_kwargs"]["extra_body"]
    assert stated == {"stop_token_ids": [tokenizer.hf.eos_token_id]}


def test_the_tokens_to_stop_at_reach_the_server(asking):
    with serving(EDIT_AND_SUBMIT) as server:
        settings = RolloutSettings.model_validate(asking(server.base_url))
        asked = AskedModels(settings.model, key_of(settings.model), settings, stops=(7,))
        AskedModel(asked, 0).query([{"role": "user", "content": "Go."}])
    assert server.asked[0]["stop_token_ids"] == [7]


def test_a_vllm_that_is_not_installed_is_told(sandbox, work, asking):
    settings = asking("")
    settings["model"] = {"kind": "vllm", "server": {"model": "m", "command": ["no-such-vllm"]}}
    with pytest.raises(SrftError, match="no-such-vllm is not installed"):
        collect(work, settings)


def test_a_local_checkpoint_plays_in_batches(sandbox, work, asking, micro):
    settings = asking("", attempts=2, max_new_tokens=12)
    weights = base_digest(micro)
    settings["model"] = {"kind": "local", "label": "m", "path": str(micro), "weights": weights}
    exits = exits_in(collect(work, settings))
    assert len(exits) == 4
    assert set(exits.values()) == {"RepeatedFormatError"}


OTHER = "0" * 16


@pytest.mark.parametrize(
    "of",
    [
        lambda folder: {"kind": "local", "label": "m", "path": folder, "weights": OTHER},
        lambda folder: {"kind": "vllm", "server": {"model": folder}, "weights": OTHER},
        lambda folder: {
            "kind": "vllm",
            "server": {"model": "base", "lora_modules": {"m": folder}},
            "adapter_digest": OTHER,
        },
    ],
    ids=["loaded", "served", "adapter"],
)
def test_a_folder_with_other_weights_by_now_is_refused(sandbox, work, asking, micro, of):
    settings = asking("") | {"model": of(str(micro))}
    with pytest.raises(SrftError, match="holds other weights"):
        collect(work, settings)


@pytest.mark.parametrize("text", ["rm -rf ~; cat /etc/shadow", "echo \x00", "$(reboot)", "é" * 99])
def test_what_a_model_says_stays_in_the_sandbox(sandbox, work, asking, text):
    with serving([turn("Odd.", text), turn("Done.", SUBMIT)]) as server:
        [run] = runs_in(collect(work, asking(server.base_url, tasks=ONE))).values()
    assert run["info"]["exit_status"] == "Submitted"
    assert "root:" not in json.dumps(run)
