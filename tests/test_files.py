"""The one atomic write."""

from pathlib import Path

import pytest

from srft_assets.files import replacing


def folder_with(path: Path, word: str) -> Path:
    path.mkdir()
    (path / "file").write_text(word)
    return path


def test_a_folder_takes_the_place_of_the_one_before(tmp_path: Path):
    target = folder_with(tmp_path / "target", "old")
    with replacing(target) as beside:
        folder_with(beside, "new")
    assert (target / "file").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["target"]


def test_where_it_cannot_take_the_place_the_one_before_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    target = folder_with(tmp_path / "target", "old")

    def full(self: Path, to: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space"), replacing(target) as beside:
        folder_with(beside, "new")
    assert (target / "file").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["target"]
