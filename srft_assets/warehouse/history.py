"""Earlier versions of partitions that people compare: prompts and verdicts."""

import os
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from srft_assets.home import Home
from srft_assets.warehouse.placing import sync_folder
from srft_assets.warehouse.recipe import Recipe
from srft_assets.warehouse.stamp import Stamp, read_stamp
from srft_assets.warehouse.store import Warehouse

FINGERPRINT_CHARS = 16


@dataclass(frozen=True, slots=True)
class History:
    """The versions of one partition, below `<warehouse>/<kept>/<name of the asset>/<partition>`.

    Attributes:
        asset: key, such as `step_verdicts/default`.
        kept: folder of the warehouse in which versions stay; `Stage.kept`.
    """

    home: Home
    asset: str
    kept: str
    partition: str

    @property
    def folder(self) -> Path:
        """Where the versions lie, named by fingerprint."""
        return self.home.warehouse / self.kept / self.asset.rpartition("/")[2] / self.partition

    def keep(self) -> Path | None:
        """Let the partition of now stay, whatever replaces it; None where there is none.

        Costs a link, not a copy, where the file system has links.
        """
        path = Warehouse(self.home.warehouse).path(self.asset, self.partition)
        stamp = read_stamp(path)
        if stamp is None:
            return None
        version = self.folder / f"{stamp.fingerprint[:FINGERPRINT_CHARS]}.parquet"
        if version.exists():
            return version
        version.parent.mkdir(parents=True, exist_ok=True)
        beside = version.with_name(f".{version.name}.{uuid.uuid4().hex}.tmp")
        try:
            try:
                os.link(path, beside)
            except OSError:
                shutil.copyfile(path, beside)
            beside.replace(version)
        finally:
            beside.unlink(missing_ok=True)
        sync_folder(version.parent)
        return version

    def stamps(self) -> Iterator[Stamp]:
        """Stamps of the versions that stayed, in no order."""
        for path in self.folder.glob("*.parquet"):
            stamp = read_stamp(path)
            if stamp is not None:
                yield stamp

    def holds(self, recipe: Recipe) -> bool:
        """Whether a version has the settings and inputs of the recipe, be its code another."""
        return any(
            stamp.recipe.config == recipe.config and stamp.recipe.inputs == recipe.inputs
            for stamp in self.stamps()
        )
