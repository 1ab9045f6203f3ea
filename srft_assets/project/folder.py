"""The project: the folder whose `srft.yaml`, critics and arms hold. Read by every command, so
that nothing heavy is imported where the file states nothing."""

import os
from collections.abc import Iterator
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from srft_assets.errors import SrftError, UsageError

CHECKOUT = Path(__file__).resolve().parents[2]
FILE = "srft.yaml"
DEFS = Path(__file__).parents[1] / "defs"
YAML = "defs.yaml"
KINDS = ("critics", "arms")
"""Folders of a project, and of what is shipped in `DEFS`."""
ENV_FILE = ".env"
PROJECT = "SRFT_PROJECT"
HOME = "SRFT_HOME"

_options: dict[str, str] = {}
"""Variable → option that stated it in this process."""


def state_option(variable: str, value: str, option: str) -> None:
    """Let an option of this command hold, here and in the processes it starts."""
    os.environ[variable] = value
    _options[variable] = option


def option_of(variable: str) -> str | None:
    """The option that stated it; None where none did."""
    return _options.get(variable)


@dataclass(frozen=True, slots=True)
class Project:
    """A folder; without a `srft.yaml` it states nothing."""

    root: Path

    @property
    def file(self) -> Path:
        """The settings."""
        return self.root / FILE

    @property
    def env_file(self) -> Path:
        """Secrets and settings of this machine, as lines `NAME=value`."""
        return self.root / ENV_FILE

    @property
    def dagster_folder(self) -> Path | None:
        """Where `dg scaffold defs` puts what it makes; None where this is no project of Dagster."""
        import tomllib

        with suppress(OSError, ValueError, KeyError, TypeError):
            text = (self.root / "pyproject.toml").read_text(encoding="utf-8")
            stated = tomllib.loads(text)["tool"]["dg"]["project"]
            module = stated.get("defs_module") or f"{stated['root_module']}.defs"
            folders = (self.root / top / module.replace(".", "/") for top in ("", "src"))
            return next((folder for folder in folders if folder.is_dir()), None)
        return None

    @property
    def is_one(self) -> bool:
        """Whether what lies there holds: a current folder alone may be somebody else's."""
        return self.file.is_file() or self.root == CHECKOUT

    def stated(self) -> dict[str, Any]:
        """What the file states, as it stands there. Raises SrftError for what is no mapping."""
        try:
            state = self.file.stat()
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise SrftError(f"{self.file} cannot be read: {error}") from None
        return deepcopy(_stated(self.file, state.st_ino, state.st_mtime_ns, state.st_size))


@lru_cache(maxsize=8)
def _stated(file: Path, inode: int, mtime_ns: int, size: int) -> dict[str, Any]:
    """The content of the file as it is; a plan asks for a setting once a partition."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SrftError(f"{file} cannot be read: {error}") from None
    if all(line.lstrip()[:1] in ("", "#") for line in text.splitlines()):
        return {}
    from srft_assets.project.yaml_files import read_yaml

    documents = read_yaml(file)
    if len(documents) != 1 or not isinstance(documents[0], dict):
        raise SrftError(f"{file}: no mapping of settings, such as `base_model: tiny`")
    return documents[0]


def current_project() -> Project:
    """The project of this process.

    That of `SRFT_PROJECT`; else `SRFT_HOME` where it holds a `srft.yaml`, since its state was made
    by what stands there; else the nearest folder upward from the current one that holds one; else
    the checkout; else, of an installed package, the current folder. Raises UsageError where
    `SRFT_PROJECT` holds none, and for one of another account that nobody named.
    """
    if named := os.environ.get(PROJECT):
        project = Project(Path(named).expanduser().resolve())
        if not project.file.is_file():
            raise UsageError(f"{PROJECT}: no {FILE} in {project.root}; srft init makes one")
        return project
    home = os.environ.get(HOME)
    here = Path.cwd()
    for folder in ([Path(home).expanduser().resolve()] if home else []) + [here, *here.parents]:
        if (folder / FILE).is_file():
            return _of_this_account(Project(folder))
    return Project(CHECKOUT if (CHECKOUT / "pyproject.toml").exists() else here)


def _of_this_account(project: Project) -> Project:
    """The project, unless another account put it above the current folder: settings start programs.

    Root's hold for all. Raises UsageError.
    """
    if project.file.stat().st_uid not in (os.geteuid(), 0):
        raise UsageError(
            f"{project.file} is of another account, and its settings start programs: if it is "
            f"yours to use, say so by {PROJECT}={project.root}"
        )
    return project


def component_files() -> list[Path]:
    """The files of all critics and arms; one's own stand in the place of shipped ones of the same
    name."""
    own = _own_names()
    shipped = [path for path in sorted(DEFS.rglob(YAML)) if _folders(path) not in own]
    return [*shipped, *own_files()]


def own_files() -> list[Path]:
    """The files of the project's own critics and arms; those of `dg scaffold defs`, too."""
    project = current_project()
    if not project.is_one:
        return []
    files = [path for kind in KINDS for path in sorted((project.root / kind).rglob(YAML))]
    folder = project.dagster_folder
    scaffolded = sorted(folder.rglob(YAML)) if folder not in (None, DEFS) else []
    return [*files, *(path for path in scaffolded if any(stated_names(path)))]


def twins() -> Iterator[str]:
    """Two of the project's own critics or arms that have one name, each in one line."""
    for (kind, name), paths in _own_names().items():
        if len(paths) > 1:
            where = " and ".join(map(str, paths))
            yield f"{kind[:-1]} {name} is stated twice, in {where}: give one another name"


def refuse_twins() -> None:
    """Raise SrftError where there are any."""
    for told in twins():
        raise SrftError(told)


def _own_names() -> dict[tuple[str, str], list[Path]]:
    """The project's files by what they state: `("arms", NAME)`."""
    found: dict[tuple[str, str], list[Path]] = {}
    for path in own_files():
        for place in stated_names(path):
            found.setdefault(place, []).append(path)
    return found


def stated_names(path: Path) -> Iterator[tuple[str, str]]:
    """What the file states, as `("arms", NAME)`; of one that is no YAML, what its folders are
    called."""
    from srft_assets.project.yaml_files import read_yaml

    try:
        documents = [one for one in read_yaml(path) if isinstance(one, dict)]
    except SrftError:
        yield _folders(path)
        return
    for one in documents:
        kind, attributes = str(one.get("type")).rpartition(".")[2], one.get("attributes")
        named = attributes.get("name") if isinstance(attributes, dict) else None
        if kind == "Critic":
            yield "critics", path.parent.name
        elif kind == "Arm":
            yield "arms", str(named or path.parent.name)


def _folders(path: Path) -> tuple[str, str]:
    return path.parent.parent.name, path.parent.name


def read_env_file(project: Project) -> dict[str, str]:
    """What `.env` states; a relative `SRFT_HOME` is so to the project, not the current folder."""
    if not (project.is_one and project.env_file.is_file()):
        return {}
    from dotenv import dotenv_values

    found = {name: value or "" for name, value in dotenv_values(project.env_file).items()}
    if home := found.get(HOME):
        found[HOME] = str((project.root / Path(home).expanduser()).resolve())
    return found


def load_env_file() -> None:
    """Put what `.env` of the project states into the environment, where that says nothing yet."""
    for name, value in read_env_file(current_project()).items():
        os.environ.setdefault(name, value)
