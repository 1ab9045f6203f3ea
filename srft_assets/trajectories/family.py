"""The batches that one name stands for, among all batches of a platform."""

from collections.abc import Sequence
from pathlib import Path

from srft_assets.errors import UsageError
from srft_assets.home import Home
from srft_assets.trajectories.batches import manifests, next_number
from srft_assets.trajectories.manifest import Manifest
from srft_assets.trajectories.scanned import Scanned
from srft_assets.trajectories.sources import TRUST_BYTES
from srft_assets.trajectories.walk import Walk

AUTO = "auto"
"""As `format`: detect it, whatever was said before."""


class Family:
    """The batches registered under a name, and the others.

    Raises UsageError where the name belongs to a batch that is not from files.
    """

    def __init__(self, home: Home, name: str) -> None:
        known = manifests(home)
        self.name = name
        self.batches = [one for one in known if one.family == name and one.kind == "files"]
        self.others = [one for one in known if one not in self.batches]
        if any(one.batch == name for one in self.others):
            raise UsageError(f"batch {name} exists already and is not from files: use --batch")
        self.next_number = next_number(known)

    @property
    def root(self) -> Path | None:
        """The folder below which all its files lie; None before the first ingest."""
        return self.batches[0].folder() if self.batches else None

    def format(self, stated: str | None) -> str | None:
        """The reader's name that now holds: None for `AUTO`, else what was stated last."""
        if stated is None:
            return self.batches[0].format if self.batches else None
        return None if stated == AUTO else stated

    def trusted(self, seen: Walk) -> set[str]:
        """Large files whose size and time are as at the last ingest."""
        held = {item.path: item for one in self.batches for item in one.items}
        return {
            file.path
            for file in seen.files
            if file.size > TRUST_BYTES
            and (item := held.get(file.path)) is not None
            and (item.size, item.mtime_ns) == (file.size, file.mtime_ns)
        }

    def check_root(self, root: Path, scans: Sequence[Scanned]) -> None:
        """A family has one root. It may move if its files moved with it; else UsageError."""
        old = self.root
        if old is None or old == root:
            return
        here = {one.path: one.blake3 for one in scans}
        for item in (item for one in self.batches for item in one.items):
            same = here.get(item.path) == item.file_blake3
            if not same and (item.path not in here or (old / item.path).exists()):
                raise UsageError(
                    f"batch {self.name} holds runs of {old}: give another name with --batch"
                )

    def check_names(self, made: Sequence[Manifest]) -> None:
        """Raise UsageError where a batch of another family has the name of one of these."""
        taken = {one.batch for one in self.others}
        clash = next((one.batch for one in made if one.batch in taken), None)
        if clash:
            raise UsageError(f"batch {clash} exists already: give another name with --batch")

    def merged(self, seen: Walk, part: str, fresh: list) -> list:
        """What this ingest saw, and what earlier ones saw outside the paths of this one."""
        kept = {
            ref.path: ref
            for one in self.batches
            for ref in getattr(one, part)
            if not seen.covered(ref.path)
        }
        return sorted([*kept.values(), *fresh], key=lambda ref: ref.path)
