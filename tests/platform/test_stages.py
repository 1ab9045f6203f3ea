"""The graph as YAML states it, read without Dagster; what is wrong is told with file and line."""

from pathlib import Path

import pytest

from srft_assets.components.asset import stages_in
from srft_assets.definitions import defs
from srft_assets.errors import SrftError
from srft_assets.platform.stages import load_stages
from srft_assets.warehouse.stage import Stage

ARM = "type: srft_assets.components.arm.Arm\n"
CRITIC = "type: srft_assets.components.critic.Critic\nattributes:\n  kind: llm\n  model: m\n"


def write(folder: Path, kind: str, name: str, text: str) -> Path:
    path = folder / kind / name / "defs.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return path


def told(folder: Path) -> str:
    with pytest.raises(SrftError) as raised:
        load_stages(folder)
    return str(raised.value)


def shape(stage: Stage) -> tuple[object, ...]:
    """What of a stage decides partitions and graph."""
    return stage.key, stage.code, stage.config, stage.upstream, stage.on_request, stage.pool


def test_dagster_has_the_same_stages() -> None:
    ours, theirs = load_stages(), stages_in(defs())
    assert len(ours) > 30
    assert {key: shape(stage) for key, stage in ours.items()} == {
        key: shape(stage) for key, stage in theirs.items()
    }


def test_an_edited_prompt_is_read_at_every_call(tmp_path: Path) -> None:
    path = write(tmp_path, "critics", "c", CRITIC)
    prompt = path.with_name("prompt.md")
    prompt.write_text("Judge {{ run }}.")
    before = load_stages(tmp_path)["step_verdicts/c"].config
    prompt.write_text("Label {{ run }}.")
    assert load_stages(tmp_path)["step_verdicts/c"].config != before


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", ": empty; state `type:` and `attributes:`, or remove the file"),
        ("# later\n", ": empty; state `type:` and `attributes:`, or remove the file"),
        ("type: srft_assets.components.arm.Alm\n", ": no component of type 'srft_assets"),
        ("type: nowhere.Arm\n", ": no component of type 'nowhere.Arm'; compare the files beside"),
        ("type: Arm\n", ": no component of type 'Arm'; compare the files beside it"),
        ("attributes: {}\n", ": no `type:`; compare the files beside it"),
        (ARM + "attributes: [1]\n", ": `attributes:` is no mapping of settings"),
        (ARM + "attributes:\n  runs: [\n", ":4: no YAML: "),
        (
            ARM + "attributes:\n  runs: all\n  dedupe: true\n",
            ":4: dedupe: no such setting, the nearest is dedup",
        ),
        (
            ARM + "attributes:\n  critic: rules\n  mask:\n  - good\n  - mistakes\n",
            ":6: mask.1: input should be 'good', 'unnecessary', 'mistake', 'recover' or",
        ),
        (
            ARM + "attributes:\n  critic: rules\n  gold: lab\n",
            ":2: critic and gold exclude each other: whose labels mask?",
        ),
    ],
)
def test_a_file_that_states_no_sound_component_is_named(
    tmp_path: Path, text: str, reason: str
) -> None:
    write(tmp_path, "arms", "sound", ARM)
    path = write(tmp_path, "arms", "unsound", text)
    assert told(tmp_path).startswith(f"{path}{reason}")


def test_an_option_that_training_refuses_is_told_as_the_arm_is_read(tmp_path: Path) -> None:
    write(tmp_path, "arms", "a", f"{ARM}attributes: {{training: {{options: {{seed: 3}}}}}}\n")
    assert told(tmp_path) == "arm a: training.options: seed is decided by other settings"


def test_all_wrong_settings_of_a_file_are_told(tmp_path: Path) -> None:
    write(tmp_path, "arms", "a", ARM + "attributes:\n  dedupe: true\n  seed: many\n")
    assert len(told(tmp_path).split("; ")) == 2


def test_a_prompt_that_is_not_sound_is_told_with_its_line(tmp_path: Path) -> None:
    path = write(tmp_path, "critics", "c", CRITIC)
    path.with_name("prompt.md").write_text("{{ run }}\n{{ nope }}")
    assert f"{path.with_name('prompt.md')}:2: unknown variable nope" in told(tmp_path)
