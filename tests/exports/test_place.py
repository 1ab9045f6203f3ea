"""An export is there whole or not at all, and takes nothing else's place."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from srft_assets.errors import SrftError, UsageError
from srft_assets.exports.writer import MANIFEST, placing
from tests.exports.chats import lines
from tests.exports.conftest import Platform, text_run
from tests.exports.test_token_formats import records

FORMS = [
    "trl",
    "axolotl-tokens",
    "axolotl-messages",
    "axolotl-spans",
    "openai",
    "messages",
    "parquet",
]
KILLED = """
import sys, time
from pathlib import Path
from srft_assets.exports.writer import placing
with placing(Path(sys.argv[1])) as folder:
    (folder / "data").mkdir()
    (folder / "data/train-00000.parquet").write_bytes(b"half")
    print("half", flush=True)
    time.sleep(60)
"""


def content(folder: Path) -> dict[str, bytes]:
    """All files of a folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.mark.parametrize("form", FORMS)
def test_the_same_partitions_give_the_same_bytes(platform, tmp_path, form):
    platform.export(form, tmp_path / "first")
    platform.export(form, tmp_path / "second", "two", "one")
    assert content(tmp_path / "first") == content(tmp_path / "second")


def test_an_earlier_export_is_replaced_and_nothing_stays_beside(platform, tmp_path):
    out = tmp_path / "out" / "set"
    platform.export("trl", out, "one")
    before = content(out)
    platform.export("openai", out, "two")
    assert set(content(out)).isdisjoint(name for name in before if name.startswith("data/"))
    assert [path.name for path in out.parent.iterdir()] == ["set"]


@pytest.mark.parametrize("there", [True, False])
def test_a_killed_export_leaves_the_old_one_or_nothing(platform, tmp_path, there):
    out = tmp_path / "out" / "set"
    if there:
        platform.export("trl", out)
    before = content(out)
    child = subprocess.Popen([sys.executable, "-c", KILLED, str(out)], stdout=subprocess.PIPE)
    assert child.stdout is not None and child.stdout.readline() == b"half\n"
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert content(out) == before
    (left,) = [path for path in out.parent.iterdir() if path != out]
    old = time.time() - 7200
    for path in (*left.rglob("*"), left):
        os.utime(path, (old, old))
    platform.export("trl", out)
    assert [path.name for path in out.parent.iterdir()] == ["set"]


def test_a_failing_export_leaves_the_old_one(platform, tmp_path):
    out = tmp_path / "set"
    platform.export("messages", out)
    before = content(out)
    platform.warehouse.path("trajectories", "one").unlink()
    with pytest.raises(SrftError):
        platform.export("messages", out, "one", "two", stale_ok=True)
    assert content(out) == before
    assert not list(tmp_path.glob(".set*"))


def put(path: Path, text: str = "mine") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_a_folder_of_something_else_is_not_touched(platform, tmp_path):
    put(tmp_path / "thesis" / "chapter.tex")
    with pytest.raises(UsageError, match="holds files, but no export"):
        platform.export("trl", tmp_path / "thesis")
    platform.export("trl", tmp_path / "set")
    put(tmp_path / "set" / "data" / "notes.md")
    with pytest.raises(UsageError, match=r"holds 'data/notes\.md' beside an export"):
        platform.export("trl", tmp_path / "set")
    put(tmp_path / "odd" / MANIFEST, "[]")
    with pytest.raises(UsageError, match="no manifest of an export"):
        platform.export("trl", tmp_path / "odd")
    put(tmp_path / "file")
    (tmp_path / "link").symlink_to(tmp_path / "set")
    for name in ("file", "link"):
        with pytest.raises(UsageError, match="is no folder"):
            platform.export("trl", tmp_path / name)
    assert (tmp_path / "thesis" / "chapter.tex").read_text() == "mine"


def test_what_is_put_there_meanwhile_is_not_lost(tmp_path):
    with pytest.raises(UsageError, match="no export"), placing(tmp_path / "set") as folder:
        (folder / "new").write_text("new")
        put(tmp_path / "set" / "mine.txt")
    assert content(tmp_path / "set") == {"mine.txt": b"mine"}


@pytest.mark.parametrize(("form", "read"), [("trl", records), ("openai", lines)])
def test_data_files_are_bounded_numbered_and_in_order(
    platform: Platform, tmp_path: Path, form, read
):
    platform.add("one", *(text_run(f"run-{n}", f"say {n}", "b", "c") for n in range(40)))
    whole = platform.export(form, tmp_path / "whole", "one")
    done = platform.export(form, tmp_path / "shards", "one", shard_bytes=2_000)
    assert len(whole.files) == 1 and len(done.files) > 3
    total = len(done.files)
    suffix = done.files[0].name.rpartition(".")[2]
    assert [one.name for one in done.files] == [
        f"data/train-{number:05}-of-{total:05}.{suffix}" for number in range(total)
    ]
    assert read(tmp_path / "shards") == read(tmp_path / "whole")
    if form == "openai":
        assert all(one.bytes <= 2_000 for one in done.files)


def test_the_manifest_names_every_file_with_its_hash(platform, tmp_path):
    import hashlib

    platform.export("axolotl-spans", tmp_path / "set")
    files = content(tmp_path / "set")
    listed = json.loads(files.pop(MANIFEST))["files"]
    assert set(listed) == set(files)
    for name, told in listed.items():
        if name.startswith("data/"):
            assert told["sha256"] == hashlib.sha256(files[name]).hexdigest()
            assert told["bytes"] == len(files[name])
