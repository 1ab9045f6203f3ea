"""Recipes that are shipped: critics, arms, files and settings that one puts into a project."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from srft_assets.errors import UsageError
from srft_assets.files import place
from srft_assets.project.folder import CHECKOUT, FILE, PROJECT, Project, current_project
from srft_assets.project.yaml_files import read_yaml

VARIANTS = "srft-*.yaml"


@dataclass(frozen=True, slots=True)
class RecipeFolder:
    """A recipe, or a variant of one.

    Attributes:
        about: the comment that its settings begin with.
        folder: its critics, arms and files, laid out as in a project.
        settings: what `srft.yaml` then states.
    """

    about: str
    folder: Path
    settings: dict[str, Any]

    def files(self) -> list[Path]:
        """Those of the folder that a project gets, relative to it."""
        settings = {FILE, *(path.name for path in self.folder.glob(VARIANTS))}
        found = [path.relative_to(self.folder) for path in self.folder.rglob("*") if path.is_file()]
        return sorted(path for path in found if str(path) not in settings)


def recipes() -> dict[str, RecipeFolder]:
    """Every recipe by its name: of `NAME/srft.yaml`, and of the variant `NAME-VARIANT`, which has
    the same settings but for those that `NAME/srft-VARIANT.yaml` states."""
    # Beside an installed package lie those of others.
    places = (Path(__file__).parents[1] / "recipes", CHECKOUT / "recipes")
    root = next(path for path in places if path.is_dir())
    found = {}
    for file in sorted(root.glob(f"*/{FILE}")):
        folder, (stated,) = file.parent, read_yaml(file)
        found[folder.name] = RecipeFolder(_about(file), folder, stated)
        for variant in sorted(folder.glob(VARIANTS), key=lambda path: path.stem):
            (other,) = read_yaml(variant)
            name = folder.name + variant.stem.removeprefix("srft")
            found[name] = RecipeFolder(_about(variant), folder, _merged(stated, other))
    return found


def find_recipe(name: str) -> RecipeFolder:
    """The recipe of this name. Raises UsageError where there is none."""
    known = recipes()
    if name not in known:
        raise UsageError(f"no recipe {name!r}; there are: {', '.join(known)}")
    return known[name]


def use_recipe(project: Project, name: str) -> list[Path]:
    """Copy a recipe into the project, and add its settings to `srft.yaml`.

    Returns what was made, and last `srft.yaml`. The same call goes on where one was killed. Raises
    UsageError for an unknown name, another file in the place of one, and a setting that `srft.yaml`
    states already.
    """
    if not project.file.is_file():
        raise UsageError(f"no {FILE} in {project.root} or above: srft init NAME makes a project")
    recipe = find_recipe(name)
    if twice := sorted(recipe.settings.keys() & project.stated().keys()):
        raise UsageError(
            f"{project.file} states {', '.join(twice)}, and so does the recipe: take it out there"
        )
    made = [project.root / path for path in recipe.files()]
    contents = [(recipe.folder / path).read_bytes() for path in recipe.files()]
    for path, content in zip(made, contents, strict=True):
        if path.exists() and not (path.is_file() and path.read_bytes() == content):
            raise UsageError(f"{path} is there already: take it away, or use another project")
    for path, content in zip(made, contents, strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        place(path, content)
    text = project.file.read_text(encoding="utf-8").rstrip()
    added = f"# The recipe {name}: docs/recipe.md says where the values come from.\n"
    added += yaml.safe_dump(recipe.settings, sort_keys=False, default_flow_style=None, width=100)
    place(project.file, f"{text}\n\n{added}".lstrip().encode())
    return [*made, project.file]


@contextmanager
def as_if_used(name: str) -> Iterator[None]:
    """Let the project be one that uses this recipe, and states what it states besides; an empty
    name changes nothing. Raises UsageError for an unknown name."""
    if not name:
        yield
        return
    here, before = current_project(), os.environ.get(PROJECT)
    others = here.stated().items() if here.is_one else ()
    with TemporaryDirectory() as folder:
        like = Project(Path(folder))
        settings = find_recipe(name).settings
        kept = {key: value for key, value in others if key not in settings}
        like.file.write_text(yaml.safe_dump(kept) if kept else "", encoding="utf-8")
        use_recipe(like, name)
        os.environ[PROJECT] = folder
        try:
            yield
        finally:
            os.environ.pop(PROJECT)
            if before is not None:
                os.environ[PROJECT] = before


def _about(file: Path) -> str:
    """The comment at the head of a file."""
    lines = file.read_text(encoding="utf-8").splitlines()
    return lines[0].removeprefix("#").strip() if lines[0].startswith("#") else ""


def _merged(stated: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    inner = {k: _merged(stated.get(k, {}), v) for k, v in other.items() if isinstance(v, dict)}
    return {**stated, **other, **inner}
