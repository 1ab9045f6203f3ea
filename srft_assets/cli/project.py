"""`srft init`, `srft check`, `srft arm new`, `srft critic new`, `srft recipe`: own projects."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from srft_assets.cli.console import put, quoted, say
from srft_assets.errors import SrftError
from srft_assets.project.folder import current_project

arm = typer.Typer(help="Arms of one's own.", no_args_is_help=True, rich_markup_mode=None)

recipe = typer.Typer(
    help="Whole recipes: critics, arms and settings.", no_args_is_help=True, rich_markup_mode=None
)

Name = Annotated[str, typer.Argument(help="Name of the new one.")]


def init(
    folder: Annotated[Path, typer.Argument(help="The new folder, such as my-agent.")],
) -> None:
    """Make a project: a folder with settings, critics and arms of its own, and all state."""
    from srft_assets.platform.new_project import make_project

    project = make_project(folder.expanduser().resolve())
    console = Console()
    put(made=project.root)
    say(console, f"made {quoted(str(project.root))}: srft.yaml names every setting")
    say(console, f"cd {quoted(str(folder))}; srft ingest RUNS, srft check, srft dev")


def check() -> None:
    """Check srft.yaml, all YAML of critics and arms, and all prompts; each fault by its line."""
    from srft_assets.platform.stages import faults
    from srft_assets.project.folder import component_files, own_files
    from srft_assets.project.settings import settings

    settings()
    found, console = list(faults()), Console()
    put(faults=found)
    for one in found:
        say(console, f"[red]wrong[/] {quoted(one)}")
    files, own = component_files(), own_files()
    told = f"{len(files)} critics and arms, {len(own)} of them this project's"
    if found:
        raise SrftError(f"{told}: {len(found)} {'fault' if len(found) == 1 else 'faults'}")
    say(console, f"{told}: nothing is wrong in {quoted(str(current_project().root))}")


@arm.command("new")
def new_arm(
    name: Name,
    source: Annotated[str, typer.Option("--from", help="The arm to copy.")] = "srft",
) -> None:
    """Copy an arm into the project, to be changed there."""
    new("arms", name, source)


def new_critic(
    name: Name,
    source: Annotated[str, typer.Option("--from", help="The critic to copy.")] = "default",
) -> None:
    """Copy a critic, its prompt included, into the project, to be changed there."""
    new("critics", name, source)


def new(kind: str, name: str, source: str) -> None:
    """Copy it, and tell where it is."""
    from srft_assets.platform.new_project import copy_component

    made = copy_component(current_project(), kind, name, source)
    put(made=made)
    say(Console(), f"made {quoted(str(made))}: change it there, then srft check, srft plan")


@recipe.command("ls")
def list_recipes() -> None:
    """List the recipes that are shipped."""
    from srft_assets.project.recipe_folders import recipes
    from srft_assets.tables import table, whole, words

    found = recipes()
    put(recipes={name: one.about for name, one in found.items()})
    rows = [(name, one.about) for name, one in found.items()]
    Console().print(table([whole("recipe"), words("")], rows))


@recipe.command("use")
def use(name: Annotated[str, typer.Argument(help="The recipe; see srft recipe ls.")]) -> None:
    """Copy a recipe's critics and arms into the project, and add its settings to srft.yaml."""
    from srft_assets.project.recipe_folders import use_recipe

    *made, file = use_recipe(current_project(), name)
    put(made=made)
    console = Console()
    for path in made:
        say(console, f"made {quoted(str(path))}")
    say(console, f"added its settings to {quoted(str(file))}: srft check, srft plan --recipe")
