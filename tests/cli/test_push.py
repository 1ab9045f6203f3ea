"""`srft push` uploads what `srft merge` and `srft export` wrote, and nothing else."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from srft_assets.lab.base import copy_shipped
from tests.cli.conftest import Srft
from tests.exports.hub import hub_of

REPOSITORY = "me/mine"
TOKEN = "hf_secretsecretsecretsecretsecret"


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A folder as `srft merge` writes it."""
    folder = tmp_path / "model"
    copy_shipped(folder)
    (folder / "README.md").write_text("---\nlicense: mit\n---\n# Mine\n")
    return folder


@pytest.fixture
def adapter(weights: Path) -> Path:
    """The same with an adapter in place of the weights."""
    (weights / "config.json").unlink()
    (weights / "adapter_config.json").write_text("{}")
    return weights


def pushed(url: str, home: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    """`srft push` in a process of its own: the client reads its address once."""
    hub = {"HF_ENDPOINT": url, "HF_HOME": str(home), "HF_TOKEN": TOKEN, "HF_HUB_OFFLINE": "0"}
    own = {"HF_HUB_DISABLE_XET": "1", "SRFT_HOME": str(home / "srft"), **more}
    argv = [sys.executable, "-c", "from srft_assets.cli import main; main()", "push", *words]
    env = {**os.environ, **hub, **own}
    return subprocess.run(argv, env=env, capture_output=True, text=True, check=False)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_weights_are_pushed_private_by_the_token_of_the_environment(
    weights: Path, tmp_path: Path
) -> None:
    with hub_of(REPOSITORY, "model") as hub:
        done = pushed(hub.url, tmp_path / "hf", "checkpoint", str(weights), REPOSITORY)
    assert done.returncode == 0, done.stderr
    assert hub.files == contents(weights)
    assert list(hub.large.values()) == [(weights / "model.safetensors").read_bytes()]
    (created,) = hub.created
    assert (created["name"], created["visibility"]) == ("mine", "private")
    assert hub.tokens == {f"Bearer {TOKEN}"}
    assert TOKEN not in done.stdout + done.stderr
    assert "model.safetensors, 1,880,480 bytes" in done.stdout
    assert f"pushed to {hub.url}/{REPOSITORY}" in done.stdout


def test_what_the_hub_refuses_is_one_line(weights: Path, tmp_path: Path) -> None:
    with hub_of(REPOSITORY, "model") as hub:
        hub.writable = False
        words = ("checkpoint", str(weights), REPOSITORY, "--public", "--json")
        done = pushed(hub.url, tmp_path / "hf", *words)
    assert done.returncode == 1
    assert hub.created[0]["visibility"] == "public"
    assert hub.files == {}
    told = json.loads(done.stdout)
    assert told["error"].startswith("me/mine was not pushed (")
    assert f"it is still in {weights}" in told["error"]


def test_a_dry_run_names_the_files_and_asks_nobody(
    srft: Srft, adapter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    said = srft("push", "adapter", str(adapter), REPOSITORY, "--dry-run")
    assert (said.code, said.err) == (0, "")
    lines = said.out.splitlines()
    assert lines[0] == "model me/mine (private if it is new):"
    assert [line.split(",")[0].strip() for line in lines[1:]] == sorted(contents(adapter))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("README.md", "has no README.md: srft merge ARM --out FOLDER writes such a folder"),
        ("config.json", "has no config.json"),
        ("+job.json", "holds job.json, which is of this machine"),
        ("+.env", "holds .env, which is of this machine"),
        ("+adapter_config.json", "holds an adapter: srft push adapter"),
    ],
)
def test_a_folder_that_srft_merge_did_not_write_is_refused(
    srft: Srft, weights: Path, change: str, told: str
) -> None:
    path = weights / change.removeprefix("+")
    if change.startswith("+"):
        path.write_text("{}")
    else:
        path.unlink()
    said = srft("push", "checkpoint", str(weights), REPOSITORY)
    assert said.code == 2
    assert told in said.err


def test_other_names_than_owner_and_name_are_refused(srft: Srft, weights: Path) -> None:
    said = srft("push", "checkpoint", str(weights), "mine", "--dry-run")
    assert (said.code, said.out) == (2, "")
    assert "write OWNER/NAME" in said.err


def test_a_data_set_is_an_export_and_nothing_beside_it(srft: Srft, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    for name, text in {
        "README.md": "# Set",
        "srft_export.json": json.dumps({"files": ["README.md", "train.jsonl"]}),
        "train.jsonl": "{}",
    }.items():
        (folder / name).write_text(text)
    said = srft("push", "dataset", str(folder), REPOSITORY, "--dry-run", "--json")
    assert json.loads(said.out)["files"] == {p.name: p.stat().st_size for p in folder.iterdir()}
    (folder / "notes.txt").write_text("mine")
    assert (
        "holds 'notes.txt' beside an export" in srft("push", "dataset", str(folder), REPOSITORY).err
    )
