"""An export is pushed with the Hub's own client, here to a server that speaks its protocol."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from srft_assets.errors import UsageError
from srft_assets.hub import check_repository
from tests.exports.hub import hub_of

REPOSITORY = "me/runs"
TOKEN = "hf_secretsecretsecretsecretsecret"
PUSH = """
import sys
from pathlib import Path
from srft_assets.errors import SrftError
from srft_assets.exports.writer import REPLACED
from srft_assets.hub import push
try:
    public = sys.argv[3] == "public"
    print(push(Path(sys.argv[1]), sys.argv[2], "dataset", public=public, replaced=REPLACED))
except SrftError as error:
    sys.exit(f"srft: {error}")
"""


def push(
    url: str, folder: Path, home: Path, visibility: str = "private"
) -> subprocess.CompletedProcess[str]:
    hub = {"HF_ENDPOINT": url, "HF_HOME": str(home), "HF_TOKEN": TOKEN, "HF_HUB_OFFLINE": "0"}
    argv = [sys.executable, "-c", PUSH, str(folder), REPOSITORY, visibility]
    env = {**os.environ, **hub}
    return subprocess.run(argv, env=env, capture_output=True, text=True, check=False)


def on_disk(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_an_export_is_pushed_private_and_old_data_files_go(platform, tmp_path):
    platform.export("trl", tmp_path / "set")
    with hub_of(REPOSITORY) as hub:
        hub.files = {"data/train-00000-of-00002.parquet": b"old", "notes.md": b"mine"}
        done = push(hub.url, tmp_path / "set", tmp_path / "hf")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"{hub.url}/datasets/{REPOSITORY}"
    assert hub.files == {**on_disk(tmp_path / "set"), "notes.md": b"mine"}
    (created,) = hub.created
    assert created == {
        "name": "runs",
        "organization": "me",
        "type": "dataset",
        "visibility": "private",
    }
    assert hub.cards == [(tmp_path / "set" / "README.md").read_text()]


def test_the_token_comes_from_the_environment_and_is_told_to_nobody_else(platform, tmp_path):
    platform.export("messages", tmp_path / "set")
    with hub_of(REPOSITORY) as hub:
        done = push(hub.url, tmp_path / "set", tmp_path / "hf", "public")
    assert hub.tokens == {f"Bearer {TOKEN}"}
    assert hub.created[0]["visibility"] == "public"
    assert TOKEN not in done.stdout + done.stderr
    assert not any(TOKEN.encode() in data for data in hub.files.values())


@pytest.mark.parametrize("reachable", [True, False])
def test_what_the_hub_does_not_take_is_one_line(platform, tmp_path, reachable):
    platform.export("trl", tmp_path / "set")
    with hub_of(REPOSITORY) as hub:
        hub.writable = False
        url = hub.url if reachable else "http://127.0.0.1:9"
        done = push(url, tmp_path / "set", tmp_path / "hf")
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(f"srft: {REPOSITORY} was not pushed (")
    assert f"it is still in {tmp_path / 'set'}" in last
    assert TOKEN not in done.stderr


@pytest.mark.parametrize("name", ["runs", "a/b/c", "../x/y", "me/ru ns", "me/", "hf://me/runs"])
def test_other_names_of_data_sets(name):
    with pytest.raises(UsageError, match="write OWNER/NAME"):
        check_repository(name)
