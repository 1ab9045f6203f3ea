"""Rows, patches and archives whose text is meant for git's options, or for no program at all."""

import io
import tarfile
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from small_project import RIGHT, World
from srft_sdists.build import NotBuiltError
from srft_sdists.source import _unpack

from srft_assets.outcomes.status import Status


def of_notes(path: str) -> str:
    """A patch that changes a file which is no code."""
    name = f"diff --git a/{path} b/{path}\n--- a/{path}\n+++ b/{path}\n"
    return f"{name}@@ -1 +1 @@\n-old\n+new\n"


@pytest.mark.parametrize("commit", ["--upload-pack=touch {}; :", "+refs/heads/*:refs/heads/*", ""])
def test_a_base_commit_is_no_option_of_git(world: World, tmp_path: Path, commit: str) -> None:
    trace = tmp_path / "trace"
    change = {"base_commit": commit.format(trace)}
    other = World(world.home, world.task.model_copy(update=change), world.mirrors)
    outcome = other.grade(RIGHT, mirror=True)
    assert not trace.exists()
    assert outcome.status is Status.INFRA_ERROR
    assert "demo__adder-7: base_commit" in outcome.reason


@pytest.mark.parametrize("mirror", [False, True], ids=["release", "clone"])
@pytest.mark.parametrize("path", ["../notes", "../../etc/notes", "/etc/notes", ".git/config"])
def test_a_change_of_notes_outside_the_tree_failed(world: World, mirror: bool, path: str) -> None:
    outcome = world.grade(RIGHT + of_notes(path), mirror=mirror)
    assert outcome.status is Status.PATCH_FAILED, outcome


@pytest.mark.parametrize("char", ["\0", "\ud800", "\udc80", "\x7f", "\t"])
def test_a_patch_whose_paths_no_program_can_be_given_is_graded(world: World, char: str) -> None:
    outcome = world.grade(RIGHT + of_notes(f"no{char}tes"), mirror=True)
    assert outcome.status is Status.PATCH_FAILED, outcome


@pytest.mark.parametrize("field", ["patch", "test_patch"])
@pytest.mark.parametrize("char", ["\0", "\ud800"])
def test_so_is_one_whose_row_has_such_paths(world: World, field: str, char: str) -> None:
    change = {field: getattr(world.task, field) + of_notes(f"no{char}tes")}
    other = World(world.home, world.task.model_copy(update=change), world.mirrors)
    for mirror in (False, True):
        outcome = other.grade(RIGHT, mirror=mirror)
        assert outcome.status is Status.INFRA_ERROR and outcome.reason


def archive(path: Path, *members: tuple[str, bytes, str]) -> Path:
    """A source release with members of these names, types and link targets."""
    with tarfile.open(path, "w:gz") as file:
        for name, kind, target in members:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, target
            file.addfile(member)
    return path


def upwards(path: Path) -> Path:
    return archive(path, ("../evil", tarfile.REGTYPE, ""))


def linking(path: Path) -> Path:
    return archive(path, ("p/link", tarfile.SYMTYPE, "/etc"), ("p/link/x", tarfile.REGTYPE, ""))


def device(path: Path) -> Path:
    return archive(path, ("p/device", tarfile.CHRTYPE, ""))


def torn(path: Path) -> Path:
    """As a download that broke off leaves it."""
    noise = Random(1).randbytes(300_000)
    with tarfile.open(path, "w:gz") as file:
        member = tarfile.TarInfo("p/noise")
        member.size = len(noise)
        file.addfile(member, io.BytesIO(noise))
    path.write_bytes(path.read_bytes()[:150_000])
    return path


@pytest.mark.parametrize("made", [upwards, linking, device, torn])
def test_a_damaged_or_hostile_archive_is_refused(
    tmp_path: Path, made: Callable[[Path], Path]
) -> None:
    found = made(tmp_path / "demo-1.0.tar.gz")
    (tmp_path / "in").mkdir()
    with pytest.raises(NotBuiltError, match=r"demo-1\.0\.tar\.gz cannot be unpacked"):
        _unpack(found, tmp_path / "in")
    assert sorted(place.name for place in tmp_path.iterdir()) == ["demo-1.0.tar.gz", "in"]
