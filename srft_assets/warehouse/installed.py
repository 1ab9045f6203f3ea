"""`warehouse.duckdb`: the copy of the catalogue that people open."""

import filecmp
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from srft_assets.warehouse.placing import place


@dataclass(frozen=True, slots=True)
class Installed:
    """The file that people open.

    Attributes:
        path: the file.
        folder: where a copy is kept of what was installed, to tell whether people changed it.
    """

    path: Path
    folder: Path

    @property
    def kept(self) -> Path:
        """What was installed last, byte by byte."""
        return self.folder / "installed.copy"

    @property
    def log(self) -> Path:
        """DuckDB's write-ahead log; it belongs to the file in place, and to no other."""
        return self.path.with_name(f"{self.path.name}.wal")

    @property
    def previous(self) -> Path:
        """Where a file goes that people put tables of their own into."""
        return self.path.with_name(f"{self.path.stem}.previous.duckdb")


def install(installed: Installed, views: Path) -> bool:
    """Put the views in place for people; whether the file was replaced.

    Nothing happens where they are in place already. While a log lies beside the file, a
    session has unsaved changes in it, and DuckDB refuses the log beside another file: the file
    then stays as it is until the next time. A file that people changed is kept as
    `warehouse.previous.duckdb`.
    """
    with suppress(FileNotFoundError):
        if installed.path.exists() and filecmp.cmp(installed.kept, views, shallow=False):
            return False
    if installed.log.exists():
        return False
    with suppress(FileNotFoundError):
        if not filecmp.cmp(installed.path, installed.kept, shallow=False):
            installed.path.rename(installed.previous)
    content = views.read_bytes()
    for target in (installed.path, installed.kept):
        place(target, content)
    return True
