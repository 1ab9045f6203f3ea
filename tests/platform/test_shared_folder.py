"""What one host can tell of a home that two are to share."""

from pathlib import Path

import pytest

from srft_assets.home import Home
from srft_assets.platform.shared_folder import card, file_system_of


def test_a_database_outside_of_the_home_is_of_one_host(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert card(home)["database"] == "SQLite in the home"
    monkeypatch.setenv("SRFT_DATABASE", f"sqlite:///{tmp_path}/other.db")
    told = f"cannot be shared: SQLite at {tmp_path}/other.db, outside of the home"
    assert card(home)["database"] == told


def test_mount_points_of_any_letters_are_found(tmp_path: Path) -> None:
    mounts, folder = tmp_path / "mountinfo", tmp_path / "für zwei"
    escaped = str(folder).replace(" ", r"\040")
    mounts.write_text(
        f"1 0 0:1 / / rw - ext4 /dev/a rw\n2 1 0:2 / {escaped} rw shared:1 - nfs4 b:/c rw\n"
    )
    assert file_system_of(folder / "home", mounts) == "nfs4"
    assert file_system_of(tmp_path, mounts) == "ext4"
