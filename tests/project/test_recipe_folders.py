"""Shipped recipes: one command makes of each a sound project."""

import shutil
from itertools import count
from pathlib import Path

import pytest
import yaml

from srft_assets.errors import UsageError
from srft_assets.files import place
from srft_assets.platform.stages import faults, filled_arm, load_stages, specs_of_file
from srft_assets.project import recipe_folders
from srft_assets.project.folder import YAML, Project
from srft_assets.project.recipe_folders import recipes, use_recipe
from srft_assets.project.settings import settings
from srft_assets.tokens.arm import ArmSpec

BASE = "Qwen/Qwen2.5-Coder-{}-Instruct"
BASES = {"srft-paper": "32B", "srft-paper-7b": "7B", "srft-paper-7b-lora": "7B"}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """The current project, whose `srft.yaml` states one thing."""
    made = Project(tmp_path)
    made.file.write_text("# Ours.\nlogs: 7")
    monkeypatch.setenv("SRFT_PROJECT", str(tmp_path))
    return made


def arms_of(project: Project) -> dict[str, ArmSpec]:
    """The project's own arms, as they are made."""
    files = sorted((project.root / "arms").glob(f"*/{YAML}"))
    specs = [filled_arm(spec, settings()) for file in files for spec in specs_of_file(file)]
    return {spec.name: spec for spec in specs}


def test_these_recipes_are_shipped() -> None:
    assert list(recipes()) == list(BASES)
    assert all(recipe.about for recipe in recipes().values())


@pytest.mark.parametrize("name", BASES)
def test_a_recipe_makes_a_sound_project(project: Project, name: str) -> None:
    made = use_recipe(project, name)
    assert list(faults()) == []
    assert made[-1] == project.file and all(path.is_file() for path in made)
    assert project.file.read_text().startswith("# Ours.\nlogs: 7\n\n# The recipe ")
    assert settings().logs == 7
    arms = arms_of(project)
    assert set(arms) == {"base", "rft", "sft", "srft", "unresolved_masked", "unresolved_only"}
    assert [arm.name for arm in arms.values() if arm.critic] == ["srft", "unresolved_masked"]
    for arm in arms.values():
        assert arm.model == BASE.format(BASES[name])
        assert arm.training.max_length == 32768
        assert (arm.evaluation.where_played, arm.evaluation.who_grades) == ("docker", "swebench")
    assert arms["base"].training.method == "none"


def test_a_use_killed_at_any_moment_is_ended_by_the_same_command(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    before, finished = project.file.read_text(), 0
    for writes in count():
        left = writes

        def writing(target: Path, content: bytes) -> None:
            nonlocal left
            if left == 0:
                raise Killed
            left -= 1
            place(target, content)

        with monkeypatch.context() as patched:
            patched.setattr("srft_assets.project.recipe_folders.place", writing)
            try:
                use_recipe(project, "srft-paper")
            except Killed:
                assert project.file.read_text() == before
            else:
                finished = writes
                break
    assert finished > 5
    with pytest.raises(UsageError, match="and so does the recipe"):
        use_recipe(project, "srft-paper")
    project.file.write_text(before)
    changed = next((project.root / "arms").rglob(YAML))
    changed.write_text("# Mine.\n")
    with pytest.raises(UsageError, match=f"{changed} is there already"):
        use_recipe(project, "srft-paper")
    assert changed.read_text() == "# Mine.\n" and project.file.read_text() == before


def test_recipes_of_another_package_are_none_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As installed: beside the package lies somebody's `recipes`."""
    package, shipped = tmp_path / "srft_assets", next(iter(recipes().values())).folder.parent
    shutil.copytree(shipped, package / "recipes")
    (tmp_path / "recipes" / "cake").mkdir(parents=True)
    (tmp_path / "recipes" / "cake" / "srft.yaml").write_text("# Cake.\nflour: 2\n")
    monkeypatch.setattr(recipe_folders, "CHECKOUT", tmp_path)
    monkeypatch.setattr(recipe_folders, "__file__", str(package / "project" / "recipe_folders.py"))
    assert list(recipes()) == list(BASES)


def test_variants_differ_by_what_they_state_alone() -> None:
    paper, lora = recipes()["srft-paper"].settings, recipes()["srft-paper-7b-lora"].settings
    changed = {key for key in paper if paper[key] != lora[key]}
    assert changed == {"base_model", "training", "launch", "evaluation"}
    assert lora["training"] == paper["training"] | {"method": "lora", "learning_rate": 2e-4}
    assert lora["evaluation"]["tasks"] == paper["evaluation"]["tasks"]


def test_the_critic_of_the_recipe_is_one_line_of_its_arms(project: Project) -> None:
    use_recipe(project, "srft-paper")
    stage = load_stages()["masked_tokens/srft"]
    assert "step_verdicts/paper" in {edge.asset for edge in stage.upstream}
    file = project.root / "arms" / "srft" / YAML
    file.write_text(file.read_text().replace("critic: paper", "critic: rules"))
    assert "step_verdicts/rules" in {e.asset for e in load_stages()["masked_tokens/srft"].upstream}


def test_nothing_is_written_over(project: Project) -> None:
    with pytest.raises(UsageError, match=r"no recipe 'nope'; there are: srft-paper, srft-paper-7b"):
        use_recipe(project, "nope")
    project.file.write_text(yaml.safe_dump({"training": {"max_steps": 3}}))
    with pytest.raises(UsageError, match=r"srft.yaml states training, and so does the recipe"):
        use_recipe(project, "srft-paper")
    project.file.write_text("")
    (project.root / "fsdp.yaml").write_text("mine")
    with pytest.raises(UsageError, match=r"fsdp.yaml is there already"):
        use_recipe(project, "srft-paper")
    assert [path.name for path in sorted(project.root.iterdir())] == ["fsdp.yaml", "srft.yaml"]
    assert (project.root / "fsdp.yaml").read_text() == "mine"
    project.file.unlink()
    with pytest.raises(UsageError, match="srft init"):
        use_recipe(Project(project.root), "srft-paper")
