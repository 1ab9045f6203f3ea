"""Two hosts that share a folder, on a local disk and on a network file system."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import gluster
from tests.cluster.hosts import Host


@pytest.fixture(scope="session")
def volume() -> Iterator[tuple[Path, Path]]:
    """One GlusterFS volume at two places."""
    if not gluster.PRESENT:
        pytest.skip(gluster.ABSENT)
    with gluster.mounted() as places:
        yield places


@pytest.fixture(params=["local", "glusterfs"])
def hosts(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Host, Host]:
    """Two hosts that see one folder, each at a place of its own."""
    if request.param == "local":
        folder = tmp_path / "home"
        folders = folder, folder
    else:
        a, b = request.getfixturevalue("volume")
        folders = a / tmp_path.name, b / tmp_path.name
    folders[0].mkdir()
    first, second = (
        Host(f"node-{name}", folder, tmp_path / name / "home")
        for name, folder in zip("ab", folders, strict=True)
    )
    return first, second
