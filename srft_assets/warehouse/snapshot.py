"""The warehouse as the plan sees it: every stamp read once, and what will be there foreseen."""

from dataclasses import dataclass, field
from pathlib import Path

from srft_assets.warehouse.stamp import Stamp
from srft_assets.warehouse.store import ONLY, Warehouse


@dataclass(frozen=True)
class Snapshot(Warehouse):
    """A `Warehouse` that remembers stamps, for one plan and no longer."""

    stamps: dict[Path, Stamp | None] = field(default_factory=dict)
    names: dict[str, list[str]] = field(default_factory=dict)

    def stamp(self, asset: str, partition: str = ONLY) -> Stamp | None:
        """As `Warehouse.stamp`, or what was foreseen."""
        path = self.path(asset, partition)
        if path not in self.stamps:
            self.stamps[path] = super().stamp(asset, partition)
        return self.stamps[path]

    def partitions(self, asset: str) -> list[str]:
        """As `Warehouse.partitions`."""
        if asset not in self.names:
            self.names[asset] = super().partitions(asset)
        return self.names[asset]

    def foresee(self, asset: str, partition: str, stamp: Stamp) -> None:
        """Let a partition look as it will be once it is made."""
        self.stamps[self.path(asset, partition)] = stamp
        if partition not in self.partitions(asset):
            self.names[asset] = sorted([*self.names[asset], partition])
