"""A project of one's own: a folder that `srft` and Dagster's tools take as a whole platform."""

import re
import shutil
from importlib.util import find_spec
from keyword import iskeyword
from pathlib import Path

import yaml

from srft_assets.errors import UsageError
from srft_assets.files import private
from srft_assets.home import Home
from srft_assets.instance import prepare_instance
from srft_assets.project.folder import FILE, YAML, Project, component_files, stated_names
from srft_assets.project.settings import fields, is_secret, variable_of
from srft_assets.project.settings_text import template

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
COMPONENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""Dagster's names of assets."""

DEFINITIONS = '''\
"""The whole platform: shipped critics and arms, those of this folder, and what `defs/` adds."""

import os
from pathlib import Path

import dagster as dg

os.environ.setdefault("SRFT_PROJECT", str(Path(__file__).resolve().parent.parent))

from srft_assets import definitions as platform  # noqa: E402


@dg.definitions
def defs() -> dg.Definitions:
    """Assets, checks, jobs, sensors and schedules."""
    added = dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
    return dg.Definitions.merge(platform.defs(), added)
'''

PYPROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "{name}"
version = "0.1.0"
requires-python = ">=3.11,<3.14"
dependencies = ["srft-assets[train]"]

[tool.dg]
directory_type = "project"

[tool.dg.project]
root_module = "{module}"
code_location_name = "{name}"
"""

WORKSPACE = """\
load_from:
  - python_module:
      module_name: {module}.definitions
      working_directory: .
      location_name: {name}
"""

GITIGNORE = """\
.env
.venv/
__pycache__/
/artifacts/
/dagster_home/*
!/dagster_home/dagster.yaml
/damaged/
/database-locks/
/doctor/
/inbox/
/launches/
/ledger/
/logs/
/runs/
/srft.db*
/tasks/
/warehouse/
/warehouse.duckdb*
"""

ENV = """\
# Where Dagster's own tools (dg dev, dagster dev) keep their runs: as srft does. Absolute.
DAGSTER_HOME={dagster}
"""

README = """\
# {name}

A project of [srft](https://pypi.org/project/srft-assets/): step rejection fine-tuning as a graph
of Dagster assets. Shipped critics and arms are there beside those of this folder; one of the same
name stands in the place of a shipped one.

| | |
| --- | --- |
| `srft.yaml` | every setting with its default; `srft config` shows what holds |
| `.env` | secrets of this machine, see `.env.example`; never shown, never committed |
| `critics/NAME/` | `defs.yaml` and `prompt.md`: `srft critic new NAME --from default` |
| `arms/NAME/` | `defs.yaml`: `srft arm new NAME --from srft` |
| `{module}/defs/` | whatever else Dagster shall load |

```console
$ srft check                      # all YAML and prompts
$ srft ingest RUNS --batch mine   # a file or folder of recorded runs
$ srft plan                       # what is missing, why, and what it takes
$ srft apply                      # make it
$ srft status                     # what there is
$ srft dev                        # the UI; `dg dev` and `dagster dev` work, too
```
"""


def make_project(folder: Path) -> Project:
    """Make the folder and all files of a project.

    Raises UsageError for a name that Dagster would refuse or that would hide another module, and
    where one of the files is there.
    """
    name = folder.name
    if not NAME.fullmatch(name):
        raise UsageError(f"{name!r}: a name of letters, digits, - and _, such as my-agent")
    module = name.replace("-", "_").lower()
    if iskeyword(module) or find_spec(module):
        raise UsageError(f"{name!r} is a word or a module of Python already: choose another name")
    project = Project(folder)
    texts = {
        FILE: template(),
        "pyproject.toml": PYPROJECT,
        "workspace.yaml": WORKSPACE,
        "README.md": README,
        ".gitignore": GITIGNORE,
        ".env.example": _env_example(),
        f"{module}/__init__.py": "",
        f"{module}/definitions.py": DEFINITIONS,
        f"{module}/defs/__init__.py": "",
        "critics/.gitkeep": "",
        "arms/.gitkeep": "",
    }
    if there := [path for path in texts if (folder / path).exists()]:
        raise UsageError(f"{folder / there[0]} is there already: choose another folder")
    private(folder)
    for path, text in texts.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        filled = text.replace("{name}", name).replace("{module}", module)
        (folder / path).write_text(filled, encoding="utf-8")
    dagster = prepare_instance(Home(folder))
    if not project.env_file.exists():
        project.env_file.write_text(ENV.format(dagster=dagster), encoding="utf-8")
        project.env_file.chmod(0o600)
    return project


def _env_example() -> str:
    lines = [
        "# Copy to .env what is needed. Variables of the shell go before it.",
        "# OPENAI_API_KEY=",
    ]
    for path, field in fields():
        if is_secret(field):
            lines += [f"# {' '.join((field.description or '').split())}", f"# {variable_of(path)}="]
    return "\n".join(lines) + "\n"


def copy_component(project: Project, kind: str, name: str, source: str) -> Path:
    """Make `critics/NAME` or `arms/NAME` of the project from one that is there; the new folder.

    Raises UsageError as `copy_into`, and outside of a project.
    """
    if not project.file.is_file():
        raise UsageError(f"no {FILE} in {project.root} or above: srft init NAME makes a project")
    target = project.root / kind / _checked(name)
    copy_into(target, kind, source)
    return target


def copy_into(target: Path, kind: str, source: str) -> None:
    """Copy a critic or an arm that is there to a folder of another name.

    Raises UsageError for a bad name, an unknown source, and where one is there.
    """
    _checked(target.name)
    known = {path.parent.name: path.parent for path in component_files() if _is(path, kind)}
    if source not in known:
        raise UsageError(f"no {kind[:-1]} {source!r}; there are: {', '.join(sorted(known))}")
    if (target / YAML).exists():
        raise UsageError(f"{target} is there already")
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(known[source], target, ignore=ignored, dirs_exist_ok=True)
    _unname(target / YAML)


def _checked(name: str) -> str:
    if not COMPONENT_NAME.fullmatch(name):
        raise UsageError(f"{name!r}: a name of letters, digits and _, as Dagster takes them")
    return name


def _unname(file: Path) -> None:
    """Take `name:` away, however it is written, so that the copy has that of its folder."""
    text = file.read_text(encoding="utf-8")
    for document in list(yaml.compose_all(text))[::-1]:  # the last first: marks before it hold
        stated = _value(document, "attributes")
        pairs = stated.value if isinstance(stated, yaml.MappingNode) else []
        for place, (key, value) in enumerate(pairs):
            if key.value != "name":
                continue
            start, end = key.start_mark.index, value.end_mark.index
            if pairs[place + 1 :]:
                end = pairs[place + 1][0].start_mark.index
            elif place:
                start = pairs[place - 1][1].end_mark.index
            text = text[:start] + text[end:]
    file.write_text(text, encoding="utf-8")


def _value(node: yaml.Node | None, key: str) -> yaml.Node | None:
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return next((value for name, value in pairs if name.value == key), None)


def _is(path: Path, kind: str) -> bool:
    return path.name == YAML and any(stated == kind for stated, _ in stated_names(path))
