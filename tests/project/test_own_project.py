"""A project of one's own: made whole, its critics and arms beside the shipped ones or over them."""

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
import yaml
from click import ClickException

from srft_assets.components.asset import stages_in
from srft_assets.components.scaffolding import ArmScaffolder, Source
from srft_assets.definitions import defs
from srft_assets.errors import SrftError, UsageError
from srft_assets.home import CHECKOUT
from srft_assets.platform.new_project import copy_component, make_project
from srft_assets.platform.stages import faults, load_stages
from srft_assets.project.folder import Project, current_project
from tests.platform.test_stages import shape


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A new project, which is the current one."""
    monkeypatch.setattr(os, "environ", os.environ.copy())
    for name in [name for name in os.environ if name.startswith("SRFT_")]:
        del os.environ[name]
    made = make_project(tmp_path / "my-agent")
    monkeypatch.chdir(made.root)
    assert current_project() == made
    return made


def srft(project: Project, *words: str, expected: int = 0) -> str:
    code = "from srft_assets.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        cwd=project.root,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT), "COLUMNS": "200"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == expected, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_a_new_project_is_sound_and_asks_for_nothing_new(project: Project) -> None:
    assert list(faults()) == []
    assert {key: shape(one) for key, one in load_stages().items()} == {
        key: shape(one) for key, one in stages_in(defs()).items()
    }
    assert (project.env_file.stat().st_mode & 0o777) == 0o600
    assert ".env" in (project.root / ".gitignore").read_text().splitlines()
    [one] = yaml.safe_load((project.root / "workspace.yaml").read_text())["load_from"]
    assert one["python_module"]["module_name"] == "my_agent.definitions"


def test_its_definitions_are_the_same_from_another_folder(project: Project, tmp_path: Path) -> None:
    copy_component(project, "arms", "my_arm", "srft")
    code = (
        "import dagster as dg; from my_agent.definitions import defs;"
        "from srft_assets.home import current_home; print(current_home().root);"
        "print(dg.AssetKey(['masked_tokens', 'my_arm']) in defs().resolve_all_asset_keys())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{CHECKOUT}{os.pathsep}{project.root}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(project.root), "True"]


def test_ones_own_are_beside_the_shipped_and_stand_over_those_of_the_same_name(
    project: Project,
) -> None:
    shipped = load_stages()
    copy_component(project, "critics", "mine", "default")
    copy_component(project, "arms", "my_arm", "srft")
    for kind, name, file, old, new in (
        ("critics", "default", "prompt.md", "You review", "You judge"),
        ("arms", "srft", "defs.yaml", "critic: rules", "critic: mine"),
    ):
        path = copy_component(project, kind, name, name) / file
        text = path.read_text()
        assert text.count(old) == 1
        path.write_text(text.replace(old, new))
    ours, theirs = load_stages(), stages_in(defs())
    assert {key: shape(one) for key, one in ours.items()} == {
        key: shape(one) for key, one in theirs.items()
    }
    more = {f"{asset}/mine" for asset in ("critic_prompt", "step_verdicts", "critic_scores")}
    more |= {f"{asset}/my_arm" for asset in ("masked_tokens", "checkpoints", "eval_scores")}
    assert ours.keys() - shipped.keys() == more
    changed = {key for key in shipped if ours[key].config != shipped[key].config}
    assert {"critic_prompt/default", "step_verdicts/default"} <= changed
    inputs = [edge.asset for edge in ours["masked_tokens/srft"].upstream]
    assert "step_verdicts/mine" in inputs and "step_verdicts/rules" not in inputs


def test_an_own_arm_stands_over_the_shipped_one_of_its_name_not_of_its_folder(
    project: Project,
) -> None:
    shipped = load_stages()
    arm = copy_component(project, "arms", "srft", "srft") / "defs.yaml"
    arm.write_text(arm.read_text().replace("attributes:\n", "attributes:\n  name: rft\n", 1))
    ours, theirs = load_stages(), stages_in(defs())
    assert ours.keys() == theirs.keys() == shipped.keys()
    key = "masked_tokens/rft"
    assert ours[key].config == theirs[key].config != shipped[key].config
    assert ours["masked_tokens/srft"].config == shipped["masked_tokens/srft"].config


def test_two_own_arms_of_one_name_are_refused_and_a_copy_has_that_of_its_folder(
    project: Project,
) -> None:
    one = copy_component(project, "arms", "one", "srft") / "defs.yaml"
    one.write_text(one.read_text().replace("attributes:\n", "attributes:\n  name: twin\n", 1))
    two = copy_component(project, "arms", "two", "one") / "defs.yaml"
    assert "name: twin" not in two.read_text()
    assert {"masked_tokens/twin", "masked_tokens/two"} <= load_stages().keys()
    two.write_text(one.read_text())
    told = f"arm twin is stated twice, in {one} and {two}: give one another name"
    assert list(faults()) == [told]
    for load in (load_stages, defs):
        with pytest.raises(SrftError) as raised:
            load()
        assert str(raised.value) == told


@pytest.mark.parametrize(
    "attributes",
    [
        " {name: first, critic: rules}",
        " {critic: rules, name: first}",
        " {name: first}",
        " {critic: rules,\n  name: first,\n  runs: all}",
        "\n  name: first",
        "\n  description: >-\n    Some words.\n  name: first\n  runs: all",
        "\n  runs: all\n  name: first",
    ],
)
def test_a_copy_has_the_name_of_its_folder_however_the_other_stands_there(
    project: Project, attributes: str
) -> None:
    first = copy_component(project, "arms", "first", "srft") / "defs.yaml"
    first.write_text(f"type: srft_assets.components.arm.Arm\nattributes:{attributes}\n")
    stated = yaml.safe_load(first.read_text())["attributes"]
    copied = copy_component(project, "arms", "second", "first") / "defs.yaml"
    del stated["name"]
    assert (yaml.safe_load(copied.read_text())["attributes"] or {}) == stated


def test_check_tells_every_fault_by_file_and_line(project: Project) -> None:
    arm = copy_component(project, "arms", "a", "srft") / "defs.yaml"
    arm.write_text(arm.read_text().replace("mask:", "masks:"))
    critic = copy_component(project, "critics", "c", "default") / "prompt.md"
    critic.write_text("{{ run }}\n{{ nope }}")
    lost = copy_component(project, "arms", "lost", "srft") / "defs.yaml"
    lost.write_text(lost.read_text().replace("critic: rules", "critic: gone"))
    told = srft(project, "check", expected=1)
    line = arm.read_text().splitlines().index("  masks: [mistake]") + 1
    assert f"{arm}:{line}: masks: no such setting, the nearest is mask" in told
    assert f"{critic}:2: unknown variable nope" in told
    assert "masked_tokens/lost depends on step_verdicts/gone, which no file states" in told
    project.file.write_text("critik: {}\n")
    assert "srft.yaml:1: critik: no such setting" in srft(project, "check", expected=1)


def test_check_is_quick_because_it_loads_nothing_heavy(project: Project) -> None:
    code = (
        "import sys; from srft_assets.platform.stages import faults; assert not list(faults());"
        "print(sorted({'dagster', 'torch', 'transformers'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


def test_an_asset_of_batches_is_nothing_in_sync_where_there_are_none(project: Project) -> None:
    for asset in ("trajectories", "step_verdicts/rules"):
        assert "error: there are no batches yet: srft ingest PATH" in srft(
            project, "apply", asset, expected=1
        )


def test_wrong_names_are_refused_and_nothing_is_overwritten(
    project: Project, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="is there already"):
        make_project(project.root)
    with pytest.raises(UsageError, match="such as my-agent"):
        make_project(tmp_path / "my agent")
    for taken in ("class", "srft-assets", "json"):
        with pytest.raises(UsageError, match="choose another name"):
            make_project(tmp_path / taken)
        assert not (tmp_path / taken).exists()
    with pytest.raises(UsageError, match="no critic 'nobody'; there are: default, rules, strict"):
        copy_component(project, "critics", "new", "nobody")
    with pytest.raises(UsageError, match="as Dagster takes them"):
        copy_component(project, "critics", "../up", "default")
    copy_component(project, "critics", "one", "default")
    with pytest.raises(UsageError, match="is there already"):
        copy_component(project, "critics", "one", "default")


def test_what_cannot_be_scaffolded_is_told_and_leaves_nothing(project: Project) -> None:
    place = project.root / "my_agent" / "defs"
    for name, source, told in (
        ("my_arm", "nobody", "no arm 'nobody'; there are: inverted_mask"),
        ("my-arm", "srft", "a name of letters, digits and _"),
    ):
        (place / name).mkdir()
        asked = dg.ScaffoldRequest(
            type_name="srft_assets.components.arm.Arm",
            target_path=place / name,
            scaffold_format="yaml",
            project_root=project.root,
            params=Source(source=source),
        )
        with pytest.raises(ClickException, match=told):
            ArmScaffolder().scaffold(asked)
        assert not (place / name).exists()


@pytest.mark.timeout(600)
def test_dagsters_own_tools_find_the_project(project: Project) -> None:
    def said(*words: str) -> str:
        done = subprocess.run(
            [Path(sys.executable).parent / words[0], *words[1:]],
            cwd=project.root,
            env={**os.environ, "VIRTUAL_ENV": sys.prefix, "COLUMNS": "200"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    said("dg", "scaffold", "defs", "srft_assets.components.arm.Arm", "my_arm", "--source", "rft")
    said("dg", "scaffold", "defs", "srft_assets.components.critic.Critic", "mine")
    arm = project.root / "my_agent" / "defs" / "my_arm" / "defs.yaml"
    arm.write_text(arm.read_text().replace("runs: resolved", "critic: mine"))
    assert "critic: mine" in arm.read_text()
    assert "2 of them this project's: nothing is wrong" in srft(project, "check")
    said("dg", "check", "yaml")
    said("dg", "check", "defs")
    listed = said("dg", "list", "defs", "--json")
    assert all(asset in listed for asset in ("masked_tokens/my_arm", "step_verdicts/mine"))
    assert shape(load_stages()["masked_tokens/my_arm"]) == shape(
        stages_in(defs())["masked_tokens/my_arm"]
    )
    said("dagster", "definitions", "validate", "-w", "workspace.yaml")
    arm.write_text("type: srft_assets.components.arm.Arm\nattributes: {masks: [mistake]}\n")
    assert f"{arm}:2: masks: no such setting" in srft(project, "check", expected=1)
