"""Where a platform keeps its state: one folder, by default that of its project."""

import os
import pwd
from dataclasses import dataclass, field
from pathlib import Path

from srft_assets.errors import UsageError
from srft_assets.project.folder import CHECKOUT as CHECKOUT
from srft_assets.project.folder import HOME, current_project


@dataclass(frozen=True, slots=True)
class Home:
    """The folders of one platform. Two platforms with different roots never meet.

    `database_named` is the URL of its database, for who asks for it often; else it is looked up.
    """

    root: Path
    database_named: str = field(default="", compare=False, repr=False)

    @property
    def warehouse(self) -> Path:
        """Parquet partitions, `<asset>/<partition>.parquet`."""
        return self.root / "warehouse"

    @property
    def catalogue(self) -> Path:
        """The DuckDB file; it holds views only."""
        return self.root / "warehouse.duckdb"

    @property
    def batches(self) -> Path:
        """Manifests of batches as files: those here are taken into the database."""
        return self.root / "warehouse" / "_batches"

    @property
    def database(self) -> Path:
        """What processes share: batches, critic answers, … unless `database` names another."""
        return self.root / "srft.db"

    @property
    def database_url(self) -> str:
        """The SQLAlchemy URL of what processes share."""
        if self.database_named:
            return self.database_named
        stated = os.environ.get("SRFT_DATABASE") or current_project().stated().get("database")
        return str(stated or f"sqlite:///{self.database.absolute()}")

    @property
    def ledger(self) -> Path:
        """Critic answers as files: those here are taken into the database."""
        return self.root / "ledger"

    @property
    def tasks(self) -> Path:
        """Tasks that people put here, as JSON Lines of the SWE-bench instance schema."""
        return self.root / "tasks"

    @property
    def gold(self) -> Path:
        """Gold sets as files: those here are taken into the database."""
        return self.root / "gold"

    @property
    def logs(self) -> Path:
        """What model servers print."""
        return self.root / "logs"

    @property
    def launches(self) -> Path:
        """What runs and the work that they start tell each other, a folder for each."""
        return self.root / "launches"

    @property
    def inbox(self) -> Path:
        """Folder watched by the inbox sensor."""
        return self.root / "inbox"

    @property
    def runs(self) -> Path:
        """Raw runs that the platform itself recorded, one folder a batch."""
        return self.root / "runs"

    @property
    def artifacts(self) -> Path:
        """Weights and tokenizers, one folder a fingerprint."""
        return self.root / "artifacts"

    @property
    def dagster(self) -> Path:
        """The Dagster instance (`DAGSTER_HOME`)."""
        return self.root / "dagster_home"


def check_home(home: Home) -> None:
    """Refuse a platform that this account cannot work on, before anything of it is opened.

    A platform is of one account: of what two make, SQLite's files and locks shut out the other.
    So would root: the owner could not read its files. Raises UsageError.
    """
    try:
        if home.root.exists() and not home.root.is_dir():
            raise UsageError(
                f"{home.root} is a file: SRFT_HOME, or --home, is the folder of all state"
            )
        owners = [path.stat().st_uid for path in (home.database, home.warehouse) if path.exists()]
    except PermissionError as error:
        raise UsageError(
            f"{error.filename} is of another account: choose another SRFT_HOME"
        ) from None
    for owner in owners:
        if os.geteuid() != owner:
            raise UsageError(
                f"{home.root} is the platform of {_name(owner)}: work as {_name(owner)}, or choose "
                "another SRFT_HOME"
            )


def _name(owner: int) -> str:
    try:
        return pwd.getpwuid(owner).pw_name
    except KeyError:
        return f"account {owner}"


def current_home() -> Home:
    """The platform that `SRFT_HOME` or `home` of `srft.yaml` names, else the project's folder."""
    if stated := os.environ.get(HOME):
        return Home(Path(stated).expanduser().resolve())
    project = current_project()
    stated = str(project.stated().get("home") or ".")
    return Home((project.root / Path(stated).expanduser()).resolve())
